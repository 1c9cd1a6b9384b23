"""Buffers that store the features that a density is fitted to, between training steps.

Both have the same interface, `push(features, labels, index)`, `contents()` and `clear()`, and store their state in
float32 buffers: the network's features have that precision or less.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vos.density.precision import FixedPrecision
from vos.errors import ConfigError, DataError, ShapeError


class FeatureBuffer(FixedPrecision):
    """What both buffers have in common."""

    @torch.no_grad()
    def clear(self) -> None:
        """Forget all features: the buffer is as it was when it was built."""
        for buffer in self.buffers():
            buffer.zero_()


class FeatureBank(FeatureBuffer):
    """The latest features of every training text, by the text's index.

    Args:
        n_texts: n.
        n_features: d.

    Attributes:
        features: (n, d) float32.
        labels: (n,) int64.
        seen: (n,) bool, rows that have been pushed at least once.
    """

    features: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, n_texts: int, n_features: int) -> None:
        super().__init__()
        if n_texts < 1 or n_features < 1:
            raise ConfigError(f"expected at least one text and one feature, got {n_texts} and {n_features}")
        self.register_buffer("features", torch.zeros(n_texts, n_features))
        self.register_buffer("labels", torch.zeros(n_texts, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(n_texts, dtype=torch.bool))

    @torch.no_grad()
    def push(self, features: Tensor, labels: Tensor, index: Tensor) -> None:
        """Replace the rows `index`; if an index occurs twice in a batch, its last row wins.

        Args:
            features: (b, d) floats.
            labels: (b,) int64 class indices.
            index: (b,) int64 in [0, n).

        Raises:
            ShapeError: shapes are not these.
            DataError: an index outside [0, n), or a negative label.
        """
        _check_batch(features, labels, index, self.features.shape[1])
        _check_range(index, len(self.seen), "index")
        _check_range(labels, None, "label")
        # Writing to a repeated index has no defined order on a GPU, so repeats are removed first.
        values, order = index.sort(stable=True)
        last = order[torch.cat([values[1:] != values[:-1], values.new_ones(1, dtype=torch.bool)])[: len(values)]]
        rows = index[last].to(self.seen.device)
        self.features[rows] = features[last].to(self.features)
        self.labels[rows] = labels[last].to(self.labels)
        self.seen[rows] = True

    @property
    def is_full(self) -> bool:
        """Whether every training text has been seen."""
        return bool(self.seen.all())

    def contents(self) -> tuple[Tensor, Tensor]:
        """Features (m, d) float32 and labels (m,) of the texts seen so far, in the order of their index; copies."""
        return self.features[self.seen], self.labels[self.seen]


class FeatureQueue(FeatureBuffer):
    """The last `capacity` features of each class, as in the original VOS algorithm; `index` is ignored.

    Args:
        n_classes: C.
        n_features: d.
        capacity: rows kept for each class.

    Attributes:
        features: (C, capacity, d) float32.
        filled: (C,) int64, rows of each class in use.
        cursor: (C,) int64, the next row to be written.

    Source: Du et al. 2022 (VOS), `train_virtual.py:207-212`; there rows are shifted one text at a time.
    """

    features: Tensor
    filled: Tensor
    cursor: Tensor

    def __init__(self, n_classes: int, n_features: int, capacity: int) -> None:
        super().__init__()
        if n_classes < 1 or n_features < 1 or capacity < 1:
            raise ConfigError(
                f"expected at least one class, one feature and a capacity of one, "
                f"got {n_classes}, {n_features} and {capacity}"
            )
        self.register_buffer("features", torch.zeros(n_classes, capacity, n_features))
        self.register_buffer("filled", torch.zeros(n_classes, dtype=torch.int64))
        self.register_buffer("cursor", torch.zeros(n_classes, dtype=torch.int64))

    @torch.no_grad()
    def push(self, features: Tensor, labels: Tensor, index: Tensor) -> None:
        """Append rows in batch order; of a batch larger than the capacity, only the newest rows are stored.

        Args:
            features: (b, d) floats.
            labels: (b,) int64 in [0, C).
            index: (b,), ignored.

        Raises:
            ShapeError: shapes are not these.
            DataError: a label outside [0, C).
        """
        n_classes, capacity, n_features = self.features.shape
        _check_batch(features, labels, index, n_features)
        _check_range(labels, n_classes, "label")
        labels = labels.to(self.filled.device)
        arrivals = torch.nn.functional.one_hot(labels, n_classes)  # (b, C)
        rank = arrivals.cumsum(0).gather(1, labels[:, None])[:, 0] - 1  # place among the batch's rows of its class
        pushed = arrivals.sum(0)
        stays = rank >= (pushed - capacity)[labels]
        owner = labels[stays]
        slot = (self.cursor[owner] + rank[stays]) % capacity
        self.features[owner, slot] = features.to(self.features)[stays]
        self.cursor.copy_((self.cursor + pushed) % capacity)
        self.filled.copy_((self.filled + pushed).clamp_max(capacity))

    @property
    def is_full(self) -> bool:
        """Whether texts of every class have been seen; a queue cannot know how many texts there are."""
        return bool((self.filled > 0).all())

    def contents(self) -> tuple[Tensor, Tensor]:
        """Features (m, d) float32 and labels (m,) int64, by class, in no guaranteed order within a class; copies."""
        n_classes, capacity, _ = self.features.shape
        used = torch.arange(capacity, device=self.filled.device) < self.filled[:, None]
        return self.features[used], torch.arange(n_classes, device=self.filled.device).repeat_interleave(self.filled)


def _check_batch(features: Tensor, labels: Tensor, index: Tensor, n_features: int) -> None:
    b = len(features)
    if features.shape != (b, n_features) or labels.shape != (b,) or index.shape != (b,):
        raise ShapeError(
            f"expected features (b, {n_features}), labels (b,) and index (b,), got {tuple(features.shape)}, "
            f"{tuple(labels.shape)} and {tuple(index.shape)}"
        )


def _check_range(values: Tensor, size: int | None, name: str) -> None:
    outside = values < 0 if size is None else (values < 0) | (values >= size)
    if outside.any():
        bound = "0 and up" if size is None else f"[0, {size})"
        found = f"{int(outside.sum())} others, first {int(values[outside][0])}"
        raise DataError(f"expected {name} in {bound}, found {found}")
