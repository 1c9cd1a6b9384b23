"""Outliers around the texts that lie outermost in their class, without a density model (NPOS)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.neighbors import kth_distance
from vos.errors import ConfigError
from vos.outliers.memory import Memory, read
from vos.outliers.shells import check_head, measured, normal, uniform
from vos.types import LinearHead, VirtualOutliers


@dataclass(frozen=True, kw_only=True)
class NeighborSampler:
    """Noise around boundary texts, the candidate farthest from all texts kept; see `OutlierSampler`.

    For every class: the `boundary` texts with the largest distance to their k-th neighbour are its boundary texts. Each
    outlier starts from one of them, chosen at random; of `candidates` Gaussian points around it, the one with the
    largest distance to its k-th neighbour is kept. Neighbours are texts of all classes.

    Attributes:
        memory: where the features of the texts are, such as `FeatureBank.contents`.
        k: which neighbour.
        boundary: boundary texts a class, fewer where the class has fewer.
        candidates: points drawn for every outlier.
        noise: standard deviation of the points, in standard deviations of a feature within the class.

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

    def __post_init__(self) -> None:
        if self.k < 1 or self.boundary < 1 or self.candidates < 1 or not 0.0 < self.noise < math.inf:
            raise ConfigError(
                "outliers: expected k, boundary and candidates >= 1 and a finite noise > 0, got "
                f"k={self.k} boundary={self.boundary} candidates={self.candidates} noise={self.noise}"
            )

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
        check_head(density, head)
        labels = density.ready_labels(n_per_class)
        features, owners = read(self.memory, density)
        spread = self.noise * density.mean_variance().sqrt().expand(density.n_classes)
        drawn = []
        for c in torch.unique(labels).tolist():
            outermost = boundary_rows(features, owners == c, self.k, self.boundary)
            chosen = (uniform((n_per_class,), generator, labels.device) * len(outermost)).long()
            around = normal((n_per_class, self.candidates, density.n_features), generator, labels.device)
            points = features[outermost[chosen]][:, None] + spread[c] * around
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
