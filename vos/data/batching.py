"""Batches of texts of similar length, the same on every run, and their padding."""

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
"""Neighbours in length that are shuffled together. More mixes better, fewer pads less."""


class LengthBucketedSampler(Sampler[list[int]]):
    """Batches of indices of similar length, shuffled by (seed, epoch) alone.

    Indices are sorted by length, longest first, and cut into buckets of `BATCHES_PER_BUCKET` batches. An epoch shuffles
    each bucket, cuts it into batches, and shuffles the batches. The number of batches is the same in every epoch.

    Every index comes exactly once an epoch when `world_size` is 1. With more ranks, neighbouring batches form one step,
    so that ranks of a step wait little for each other. When the last step has too few batches, it is filled with
    the epoch's first batches: all ranks have `len(self)` batches, and at most `world_size - 1` batches come
    again (more only when there are fewer batches than ranks).

    Give it to a `DataLoader` as `sampler` with `batch_size=None`: as `batch_sampler`, Lightning would not find its
    `set_epoch`.

    Args:
        lengths: tokens of each text.
        batch_size: indices in a batch at most.
        seed: of the shuffles.
        rank: which rank's batches to give.
        world_size: number of ranks.
        shuffle: False gives the longest first, in the same order in every epoch.

    Raises:
        ConfigError: a size below 1, or a rank outside the world.
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
        """Choose the epoch whose order the next iteration gives; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        n_batches = -(-len(self._longest_first) // self._batch_size)
        return -(-n_batches // self.world_size)

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
            yield batches[(step * self.world_size + self.rank) % len(batches)]


class TokenCollator:
    """Pads token ids to the longest of the batch.

    Args:
        tokenizer: says which token pads, and on which side; that of a `TextClassifier` says what its model needs.

    Raises:
        ConfigError: the tokenizer has no padding token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.pad_token_id is None:
            raise ConfigError("expected a tokenizer with a padding token, found none; set tokenizer.pad_token")
        self.padding = int(tokenizer.pad_token_id)
        self.side = str(tokenizer.padding_side)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """One batch.

        Args:
            rows: each with index (int), input_ids (list of int) and label (class index; never missing).

        Returns:
            input_ids (b, t), attention_mask (b, t), labels (b,) and index (b,), all int64.
        """
        return {
            **token_batch([row["input_ids"] for row in rows], self.padding, self.side),
            "labels": torch.tensor([row["label"] for row in rows], dtype=torch.int64),
            "index": torch.tensor([row["index"] for row in rows], dtype=torch.int64),
        }
