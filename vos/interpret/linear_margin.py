"""The margin as a linear function of the features, with the normal of the class pair that decides at each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vos.errors import ShapeError
from vos.metrics.margins import deciding_pair
from vos.types import LinearHead

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearMargin:
    """`m(x) = w(x)·z + b(x)` at n texts; with two classes w and b are the same for all texts.

    Attributes:
        features: (n, d) float64, z.
        normals: (p, d) float64, w of each deciding pair of classes, the most frequent first.
        offsets: (p,) float64, b of each pair.
        pair: (n,) int64, index of the deciding pair of each text.
        pairs: (p, 2) int64 classes; the first is the one with positive sign in the margin.
    """

    features: Array
    normals: Array
    offsets: Array
    pair: NDArray[np.int64]
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, features: NDArray[Any], head: LinearHead, harmful: Sequence[int]) -> LinearMargin:
        """The margin of texts with features (n, d), n >= 1.

        Raises:
            ShapeError: no text, or features that do not fit the head.
        """
        if features.ndim != 2 or len(features) == 0 or features.shape[1] != head.weight.shape[1]:
            raise ShapeError(f"expected features (n, {head.weight.shape[1]}) with n >= 1, got {features.shape}")
        weight, bias = (each.detach().double().cpu() for each in head)
        rows = torch.from_numpy(np.asarray(features, dtype=np.float64))
        deciding = deciding_pair(rows @ weight.T + bias, harmful).numpy()
        if len(weight) == 2 and not harmful:
            deciding = np.tile([1, 0], (len(rows), 1))  # a single boundary, whichever class is larger
        pairs, pair, counts = np.unique(deciding, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        pairs = pairs[order]
        normals = (weight[pairs[:, 0]] - weight[pairs[:, 1]]).numpy()
        offsets = (bias[pairs[:, 0]] - bias[pairs[:, 1]]).numpy()
        return cls(rows.numpy(), normals, offsets, rank[pair.reshape(-1)], pairs)

    @property
    def margins(self) -> Array:
        """(n,) float64."""
        return self.along(self.features) + self.offsets[self.pair]

    def along(self, rows: Array) -> Array:
        """`w(x)·row` (n,), with one row of (n, d) per text."""
        found: Array = np.einsum("nd,nd->n", rows, self.normals[self.pair])
        return found

    def weights(self, atoms: Array) -> Array:
        """`w(x)·d_j` (n, k) for atoms (k, d) at each text."""
        found: Array = (self.normals @ atoms.T)[self.pair]
        return found

    def at(self, rows: NDArray[Any]) -> LinearMargin:
        """Only the texts at `rows`."""
        return LinearMargin(self.features[rows], self.normals, self.offsets, self.pair[rows], self.pairs)
