"""Reproducible batches of texts of similar length, and their padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from vos.errors import ConfigError
from vos.types import token_batch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCHES_PER_BUCKET = 8
"""Number of batches of similar length that are shuffled together. More mix better, fewer need less padding."""


def share_of_rank(n: int, rank: int, world_size: int) -> list[int]:
    """The rows, of `n >= 1`, that one of several processes takes: every `world_size`-th.

    No process may be without a row, so if there are fewer rows than processes, some rows are taken twice.

    Example:
        >>> [share_of_rank(5, rank, 2) for rank in range(2)], [share_of_rank(2, rank, 3) for rank in range(3)]
        ([[0, 2, 4], [1, 3]], [[0], [1], [0]])
    """
    return list(range(rank, n, world_size)) or [rank % n]


class LengthBucketedSampler(Sampler[list[int]]):
    """Batches of indices of texts with similar length; the shuffling depends only on (seed, epoch).

    Indices are sorted by length, longest first, and cut into buckets of `BATCHES_PER_BUCKET` batches. In every epoch
    each bucket is shuffled and cut into batches, and the batches are shuffled. The number of batches is the same in
    every epoch.

    With several ranks, a batch is that of the whole step, and each rank takes its share of it, see `share_of_rank`:
    whatever the number of ranks, a step has the same texts, and an epoch the same number of steps. Every index occurs
    exactly once per epoch, except that a batch with fewer texts than ranks repeats some of them.

    Pass it to a `DataLoader` as `sampler` with `batch_size=None`: with `batch_sampler`, Lightning would not find
    `set_epoch`.

    Args:
        lengths: number of tokens of each text.
        batch_size: largest number of indices in a batch, over all ranks.
        seed: seed of the shuffling.
        rank: the rank whose shares to yield.
        world_size: number of ranks.
        shuffle: False: longest first, in the same order in every epoch.

    Raises:
        ConfigError: a size below 1, or a rank outside [0, world_size).
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"expected a batch_size of at least 1, found {batch_size}")
        if not 0 <= rank < world_size:
            raise ConfigError(f"expected 0 <= rank < world_size, found rank {rank} and world_size {world_size}")
        self.seed = seed
        self.epoch = 0
        self.rank = rank
        self.world_size = world_size
        self.shuffle = shuffle
        self._batch_size = batch_size
        self._longest_first = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that determines the order of the next iteration; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._longest_first) // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        batches: list[list[int]] = []
        bucket_size = self._batch_size * BATCHES_PER_BUCKET
        for start in range(0, len(self._longest_first), bucket_size):
            bucket = self._longest_first[start : start + bucket_size]
            rows = (generator.permutation(bucket) if self.shuffle else bucket).tolist()
            batches += [rows[i : i + self._batch_size] for i in range(0, len(rows), self._batch_size)]
        steps = np.arange(len(self))
        if self.shuffle:
            generator.shuffle(steps)
        for step in steps.tolist():
            batch = batches[step]
            yield [batch[i] for i in share_of_rank(len(batch), self.rank, self.world_size)]


class TokenCollator:
    """Pads token ids to the longest of the batch.

    Args:
        tokenizer: defines the padding token and side; use that of the `TextClassifier`, set as its model needs.

    Raises:
        ConfigError: the tokenizer has no padding token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.pad_token_id is None:
            raise ConfigError("expected a tokenizer with a padding token, found none; set tokenizer.pad_token")
        self.padding = int(tokenizer.pad_token_id)
        self.side = str(tokenizer.padding_side)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Collate one batch.

        Args:
            rows: each with index (int), input_ids (list of int) and label (class index; required).

        Returns:
            input_ids (b, t), attention_mask (b, t), labels (b,) and index (b,), all int64.
        """
        return {
            **token_batch([row["input_ids"] for row in rows], self.padding, self.side),
            "labels": torch.tensor([row["label"] for row in rows], dtype=torch.int64),
            "index": torch.tensor([row["index"] for row in rows], dtype=torch.int64),
        }
