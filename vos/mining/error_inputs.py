"""Inputs that predict mistakes: the margin, the distance, and nearby labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.density import GaussianDensity
from vos.errors import ShapeError
from vos.metrics.margins import margin
from vos.types import FeatureBatch, harmful_mask

Array = NDArray[np.float64]

SIMILARITIES = 2**24
"""Number of similarities in memory at once, 64 MB."""


@dataclass(frozen=True)
class LabelledNeighbours:
    """The labelled texts that a prediction is compared with.

    Attributes:
        directions: (N, d) float32, their features scaled to length one.
        sides: (N,) int64, see `sides_of`.
        k: number of nearest texts used.
    """

    directions: Tensor
    sides: Tensor
    k: int

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, harmful: Sequence[int], n_classes: int, k: int = 10) -> Self:
        """Build from training texts.

        Args:
            features: (N, d) floats, N >= 1.
            labels: (N,) int64 in [0, C).
            harmful: indices of the harmful classes; () if no class is harmful.
            n_classes: C.
            k: see the class; all texts if there are fewer.

        Raises:
            ShapeError: shapes are not these.
        """
        if features.ndim != 2 or labels.shape != features.shape[:1] or len(labels) == 0 or k < 1:
            raise ShapeError(
                f"expected features (N, d), labels (N,), N >= 1 and k >= 1, got {tuple(features.shape)}, "
                f"{tuple(labels.shape)} and {k}"
            )
        return cls(_directions(features), sides_of(labels, harmful, n_classes), min(k, len(labels)))

    def disagreement(self, features: Tensor, sides: Tensor) -> Tensor:
        """Share of the k nearest texts, by cosine, on another side than the prediction: (n,) float64.

        Args:
            features: (n, d) floats.
            sides: (n,) int64, sides of the predictions.
        """
        shares = torch.empty(len(features), dtype=torch.float64)
        rows = max(1, SIMILARITIES // len(self.sides))
        for start in range(0, len(features), rows):
            part = slice(start, start + rows)
            nearest = (_directions(features[part]) @ self.directions.T).topk(self.k).indices
            shares[part] = (self.sides[nearest] != sides[part, None]).double().mean(1)
        return shares


@dataclass(frozen=True)
class ErrorInputs:
    """Inputs of the expected error for n texts.

    Attributes:
        margins: (n,) float64, logit units, see `vos.metrics.margins.margin`; their signs do not matter.
        beyond: (n,) float64 in [0, 1], share of real texts that lie farther from the predicted class than the text, by
            the calibrated density.
        disagreement: (n,) float64 in [0, 1], see `LabelledNeighbours.disagreement`.
    """

    margins: Array
    beyond: Array
    disagreement: Array

    @classmethod
    def of(
        cls,
        batch: FeatureBatch,
        density: GaussianDensity,
        harmful: Sequence[int],
        neighbours: LabelledNeighbours,
        mahalanobis: Tensor | None = None,
    ) -> Self:
        """Compute the inputs for a whole set or a chunk of a stream.

        A text whose predicted class is not ready in the density gets the largest distance.

        Args:
            batch: n texts.
            density: fitted to the training texts.
            harmful: indices of the harmful classes; () if no class is harmful.
            neighbours: index of the training texts.
            mahalanobis: (n, C) squared distances if known; otherwise they are computed.
        """
        predicted = batch.logits.argmax(-1)
        squared = density.mahalanobis(batch.features) if mahalanobis is None else mahalanobis
        own = squared.gather(1, predicted[:, None])[:, 0]
        beyond = torch.zeros(len(batch), dtype=torch.float64)
        known = own.isfinite()
        beyond[known] = density.share_beyond(own[known], predicted[known])
        disagreement = neighbours.disagreement(batch.features, sides_of(predicted, harmful, batch.logits.shape[1]))
        return cls(margin(batch.logits, harmful).double().numpy(), beyond.numpy(), disagreement.numpy())

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> ErrorInputs:
        """The inputs of some of the texts."""
        return ErrorInputs(self.margins[rows], self.beyond[rows], self.disagreement[rows])


def sides_of(classes: Tensor, harmful: Sequence[int], n_classes: int) -> Tensor:
    """The side of the boundary of classes (n,): 1 for harmful, otherwise 0; the class itself if none is harmful.

    Example:
        >>> sides_of(torch.tensor([0, 1, 2]), (1, 2), 3), sides_of(torch.tensor([0, 1, 2]), (), 3)
        (tensor([0, 1, 1]), tensor([0, 1, 2]))
    """
    return harmful_mask(n_classes, harmful, classes.device)[classes].long() if harmful else classes


def wrong_side(logits: Tensor, labels: Tensor, harmful: Sequence[int]) -> NDArray[np.bool_]:
    """Which predictions are mistakes: (n,) bool of logits (n, C) and labels (n,) int64.

    The margin refers to the boundary between harmful and other classes, so predicting one harmful class instead of
    another is not a mistake here. If no class is harmful, every wrong class is a mistake.
    """
    n_classes = logits.shape[1]
    found: NDArray[np.bool_] = (
        sides_of(logits.argmax(-1), harmful, n_classes) != sides_of(labels, harmful, n_classes)
    ).numpy()
    return found


def _directions(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features.float(), dim=1)
