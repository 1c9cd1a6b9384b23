"""Outliers around the outermost texts of each class, without a density model (NPOS)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.neighbors import kth_distance
from vos.errors import ConfigError
from vos.outliers._memory import Memory, at_most, read
from vos.outliers._radial import labels_to_draw, measured, normal, uniform
from vos.types import LinearHead, VirtualOutliers


class _Known:
    """Cache of the boundary rows by class of the last texts; finding them is slower than comparing the texts."""

    def __init__(self) -> None:
        self._content: tuple[Tensor, Tensor] | None = None
        self._rows: dict[int, Tensor] = {}

    def rows_of(self, features: Tensor, owners: Tensor) -> dict[int, Tensor]:
        """The cached rows for texts (n, d) of classes (n,); empty if anything has changed."""
        if self._content is None or not all(map(_same, self._content, (features, owners))):
            self._content = (features.clone(), owners.clone())  # the given tensors may be overwritten later
            self._rows = {}
        return self._rows


def _same(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and torch.equal(a, b)


@dataclass(frozen=True, kw_only=True)
class NeighborSampler:
    """Noise around boundary texts; of several candidates the one farthest from all texts; see `OutlierSampler`.

    The boundary texts of a class are the `boundary` texts with the largest distance to their k-th nearest neighbour.
    Each outlier starts from one of them, chosen at random; of `candidates` Gaussian points around it, the one with the
    largest distance to its k-th nearest neighbour is kept. Neighbours are texts of all classes.

    Finding boundary texts costs time quadratic in the number of texts; a candidate costs linear time. If the memory
    returns the same features again, as with a frozen encoder, boundary texts are found only once; otherwise `texts`
    bounds the cost.

    Attributes:
        memory: source of the features of the texts, such as `FeatureBank.contents`.
        k: which nearest neighbour.
        boundary: boundary texts per class, or all texts of a class with fewer.
        candidates: points drawn for every outlier.
        noise: standard deviation of the points, in standard deviations of a feature within the class.
        texts: number of texts per class, chosen at random for every call, among which boundary texts and neighbours
            are searched; None: all texts.

    Raises:
        ConfigError: an option out of range.

    Source: Tao et al. 2023 (NPOS). The released filter (`KNN.py:45-52`) reshapes distances in a different order than
    the points and so keeps nearly random ones; ours equals brute force. NPOS works on the unit sphere, as its loss
    requires; ours works on the input features of the head, so the noise is in units of the class's deviation.
    """

    memory: Memory
    k: int = 10
    boundary: int = 50
    candidates: int = 50
    noise: float = 1.0
    texts: int | None = None
    _known: _Known = field(default_factory=_Known, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.k < 1 or self.boundary < 1 or self.candidates < 1 or not 0.0 < self.noise < math.inf:
            raise ConfigError(
                "outliers: expected k, boundary and candidates >= 1 and a finite noise > 0, got "
                f"k={self.k} boundary={self.boundary} candidates={self.candidates} noise={self.noise}"
            )
        if self.texts is not None and self.texts < 1:
            raise ConfigError(f"outliers.texts: expected at least one text a class, or null, got {self.texts}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            ConfigError: `n_per_class` below one.
            DataError: a ready class has no texts in the memory.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
        features, owners = read(self.memory, density)
        if self.texts is not None:
            rows = at_most(owners, self.texts, generator)
            features, owners = features[rows], owners[rows]
        known = self._known.rows_of(features, owners)
        spread = self.noise * density.mean_variance().sqrt().expand(density.n_classes)
        drawn = []
        for c in torch.unique(labels).tolist():
            if c not in known:
                known[c] = boundary_rows(features, owners == c, self.k, self.boundary)
            chosen = (uniform((n_per_class,), generator, labels.device) * len(known[c])).long()
            around = normal((n_per_class, self.candidates, density.n_features), generator, labels.device)
            points = features[known[c][chosen]][:, None] + spread[c] * around
            drawn.append(farthest(points, features, self.k))
        return measured(torch.cat(drawn), labels, density, head)


def boundary_rows(features: Tensor, members: Tensor, k: int, n: int) -> Tensor:
    """The n rows of `members` (bool) whose k-th nearest other text is farthest away, farthest first."""
    rows = members.nonzero()[:, 0]
    distances = kth_distance(features[rows], features, k + 1)  # a text is its own nearest
    return rows[distances.topk(min(n, len(rows))).indices]


def farthest(points: Tensor, features: Tensor, k: int) -> Tensor:
    """For each of m, the candidate in points (m, j, d) whose k-th nearest text is farthest away: (m, d)."""
    m, j, d = points.shape
    distances = kth_distance(points.reshape(m * j, d), features, k).view(m, j)
    return points[torch.arange(m, device=points.device), distances.argmax(-1)]
