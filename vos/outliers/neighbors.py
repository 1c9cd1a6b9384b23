"""Outliers around the texts that lie outermost in their class, without a density model (NPOS)."""

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
    """Boundary rows by class of the texts that were seen last; they take longer to find than texts to compare."""

    def __init__(self) -> None:
        self._content: tuple[Tensor, Tensor] | None = None
        self._rows: dict[int, Tensor] = {}

    def rows_of(self, features: Tensor, owners: Tensor) -> dict[int, Tensor]:
        """What is known of texts (n, d) of classes (n,): empty when one of them differs by a bit."""
        if self._content is None or not all(map(_same, self._content, (features, owners))):
            self._content = (features.clone(), owners.clone())  # what a memory gives may be written to later
            self._rows = {}
        return self._rows


def _same(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and torch.equal(a, b)


@dataclass(frozen=True, kw_only=True)
class NeighborSampler:
    """Noise around boundary texts, the candidate farthest from all texts kept; see `OutlierSampler`.

    For every class: the `boundary` texts with the largest distance to their k-th neighbour are its boundary texts. Each
    outlier starts from one of them, chosen at random; of `candidates` Gaussian points around it, the one with the
    largest distance to its k-th neighbour is kept. Neighbours are texts of all classes.

    The cost of finding boundary texts is quadratic in the texts, that of a candidate linear. While the memory gives the
    same texts, as under a frozen encoder, boundary texts are found once; `texts` bounds the cost where it does not.

    Attributes:
        memory: where the features of the texts are, such as `FeatureBank.contents`.
        k: which neighbour.
        boundary: boundary texts a class, fewer where the class has fewer.
        candidates: points drawn for every outlier.
        noise: standard deviation of the points, in standard deviations of a feature within the class.
        texts: of how many texts of each class boundary texts and neighbours are looked for, chosen at random anew for
            every call; None: of all.

    Raises:
        ConfigError: an option out of range.

    Source: Tao et al. 2023 (NPOS). The released filter (`KNN.py:45-52`) reshapes distances in another
    order than its points and keeps near-random ones; ours equals brute force. NPOS works on the unit sphere, which its
    own loss shapes; ours in the features that the head sees, so the noise is measured in units of the class.
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
    """Rows of the n members (n,) bool whose k-th other text is farthest, farthest first."""
    rows = members.nonzero()[:, 0]
    distances = kth_distance(features[rows], features, k + 1)  # a text is its own nearest
    return rows[distances.topk(min(n, len(rows))).indices]


def farthest(points: Tensor, features: Tensor, k: int) -> Tensor:
    """Of the candidates in points (m, j, d), for each of m the one whose k-th text is farthest: (m, d)."""
    m, j, d = points.shape
    distances = kth_distance(points.reshape(m * j, d), features, k).view(m, j)
    return points[torch.arange(m, device=points.device), distances.argmax(-1)]
