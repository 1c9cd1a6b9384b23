"""Batches of a `TextData` for Lightning: tokenised texts, or features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vos.data.batching import LengthBucketedSampler, TokenCollator
from vos.data.records import TextData
from vos.errors import DataError, ShapeError
from vos.types import Example, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TextDataModule(pl.LightningDataModule):
    """Loaders over train and val.

    A batch holds `input_ids` and `attention_mask` (b, t) int64, or `features` (b, d), and always `labels` (b,) and
    `index` (b,) int64; `index` is the position in the split's list. Training batches are shuffled by (seed, epoch) and
    distributed over the ranks. Validation batches are sorted by length, and every rank gets all of them. The sampler
    distributes the batches itself: a distributed `Trainer` needs `use_distributed_sampler=False`.

    Args:
        data: the texts.
        tokenizer: the encoder's tokenizer; not used with `features`.
        batch_size: largest number of texts in a batch.
        max_length: texts are truncated to this many tokens.
        seed: seed of the shuffling.
        num_workers: number of worker processes of the loaders.
        features: by split name ("train", "val"), (n, d): row i belongs to text i. Texts are then not tokenised.

    Raises:
        DataError: an unlabelled text in a labelled split.
        ShapeError: `features` lacks a split that has texts, or is not (n, d).
    """

    def __init__(
        self,
        data: TextData,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        max_length: int,
        seed: int,
        num_workers: int = 0,
        features: dict[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.data = data
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = max_length
        self.seed = seed
        self.num_workers = num_workers
        self.features = features
        self._examples = {"train": data.train, "val": data.val}
        self._token_ids: dict[str, list[list[int]]] = {}
        for split, examples in self._examples.items():
            _check_labelled(split, examples)
            if features is not None:
                _check_features(split, features, len(examples))

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of this rank."""
        trainer = self.trainer
        rank, world_size = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        return self._loader("train", rank, world_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """All validation texts, longest first."""
        return self._loader("val", 0, 1, shuffle=False)

    def _loader(self, split: str, rank: int, world_size: int, shuffle: bool) -> DataLoader[Any]:
        labels = [example.label for example in self._examples[split]]
        dataset: Dataset[Any]
        collate: TokenCollator | None
        if self.features is None:
            ids = self._tokens(split)
            lengths = [len(each) for each in ids]
            dataset, collate = _TokenRows(ids, labels), TokenCollator(self.tokenizer)
        else:
            lengths = [1] * len(labels)
            dataset, collate = _FeatureRows(self.features.get(split, torch.zeros(0, 0)), labels), None
        sampler = LengthBucketedSampler(
            lengths, self.batch_size, self.seed, rank=rank, world_size=world_size, shuffle=shuffle
        )
        return DataLoader(dataset, batch_size=None, sampler=sampler, num_workers=self.num_workers, collate_fn=collate)

    def _tokens(self, split: str) -> list[list[int]]:
        """Token ids of a split, computed once, because every round of a run asks for the loaders again."""
        if split not in self._token_ids:
            texts = [example.text for example in self._examples[split]]
            self._token_ids[split] = tokenize(self.tokenizer, texts, self.max_length)
        return self._token_ids[split]


class _TokenRows(Dataset[Any]):
    """Returns the rows of a whole batch at a time, for `TokenCollator`."""

    def __init__(self, ids: Sequence[Sequence[int]], labels: Sequence[int | None]) -> None:
        self._ids = ids
        self._labels = labels

    def __getitem__(self, rows: Sequence[int]) -> list[Mapping[str, Any]]:
        return [{"index": i, "input_ids": self._ids[i], "label": self._labels[i]} for i in rows]


class _FeatureRows(Dataset[Any]):
    """Returns whole batches of features."""

    def __init__(self, features: Tensor, labels: Sequence[int | None]) -> None:
        self._features = features
        self._labels = torch.tensor(labels, dtype=torch.int64)

    def __getitem__(self, rows: Sequence[int]) -> dict[str, Tensor]:
        index = torch.tensor(rows, dtype=torch.int64)
        return {"features": self._features[index], "labels": self._labels[index], "index": index}


def _check_labelled(split: str, examples: Sequence[Example]) -> None:
    unlabelled = [example.id for example in examples if example.label is None]
    if unlabelled:
        raise DataError(
            f"{split}: expected a label on every text, found {len(unlabelled)} without one (first id: "
            f"{unlabelled[0]!r}); unlabelled texts belong in the pool"
        )


def _check_features(split: str, features: Mapping[str, Tensor], n: int) -> None:
    found = features.get(split)
    shape = None if found is None else tuple(found.shape)
    if n > 0 and (shape is None or len(shape) != 2 or shape[0] != n):
        raise ShapeError(f"features[{split!r}]: expected ({n}, d), one row for each text, found {shape}")
