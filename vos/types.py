"""The values that travel between the rooms of the house, and the protocols that the rooms speak.

Symbols: `n` texts, `d` feature dimension, `C` classes, `m` virtual outliers. Batch first, class last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from vos.errors import ShapeError

if TYPE_CHECKING:
    from vos.density.base import GaussianDensity

OOD = -1
"""Label of out-of-distribution rows in label tensors. Unlabelled is `None` in a record and never enters a tensor."""


@dataclass(frozen=True, slots=True)
class Example:
    """One text with what is known of it.

    Attributes:
        id: unique within a data set.
        text: the text as it will be tokenised.
        label: class index, or None when nobody has judged the text.
        group: texts that share a group (author, thread, setting) never sit in different splits.
        pair: the two texts of a minimal pair share this; a pair is never cut by a split.
        level: subtlety level, 0 (plain) and up, or None when unknown.
    """

    id: str
    text: str
    label: int | None = None
    group: str | None = None
    pair: str | None = None
    level: int | None = None


class LinearHead(NamedTuple):
    """The classifier's last layer, `logits = h @ weight.T + bias`.

    Attributes:
        weight: (C, d) floats.
        bias: (C,) floats.
    """

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, C) of features (n, d)."""
        return torch.nn.functional.linear(features, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Texts as the classifier sees them.

    Attributes:
        features: (n, d) penultimate activations.
        logits: (n, C).
        labels: (n,) int64 class indices, or None when the texts are unlabelled.

    Raises:
        ShapeError: the row counts differ.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        n = self.features.shape[0]
        if self.features.ndim != 2 or self.logits.ndim != 2 or self.logits.shape[0] != n:
            raise ShapeError(
                f"expected features (n, d) and logits (n, C), got {tuple(self.features.shape)} "
                f"and {tuple(self.logits.shape)}"
            )
        if self.labels is not None and self.labels.shape != (n,):
            raise ShapeError(f"expected labels ({n},), got {tuple(self.labels.shape)}")

    def __len__(self) -> int:
        return self.features.shape[0]


@dataclass(frozen=True, slots=True)
class VirtualOutliers:
    """Points drawn in feature space.

    Attributes:
        features: (m, d), dtype and device of the density that they were drawn from.
        labels: (m,) int64, the class whose Gaussian each point was drawn from.
        mahalanobis: (m,) squared Mahalanobis distance to that class.
    """

    features: Tensor
    labels: Tensor
    mahalanobis: Tensor

    def __post_init__(self) -> None:
        m = self.features.shape[0]
        if self.features.ndim != 2 or self.labels.shape != (m,) or self.mahalanobis.shape != (m,):
            raise ShapeError(
                f"expected features (m, d), labels (m,) and mahalanobis (m,), got {tuple(self.features.shape)}, "
                f"{tuple(self.labels.shape)} and {tuple(self.mahalanobis.shape)}"
            )

    def __len__(self) -> int:
        return self.features.shape[0]


class OutlierSampler(Protocol):
    """Draws virtual outliers from a fitted density."""

    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        All randomness comes from `generator`; the global random state is neither read nor written.
        """
        ...


class Featurizer(Protocol):
    """A frozen classifier: texts in, features and logits out."""

    @property
    def head(self) -> LinearHead:
        """The classifier's last layer."""
        ...

    @property
    def model_hash(self) -> str:
        """Hash of everything that decides the features of a text."""
        ...

    def featurize(self, texts: Sequence[str]) -> FeatureBatch:
        """Features and logits of the texts, in their order, on the CPU in float32."""
        ...

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        """Features chunk by chunk; memory does not grow with the number of examples."""
        ...
