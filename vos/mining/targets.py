"""How near a text is to a virtual outlier: a low-dimensional space for distances, and the potential φ_z.

An outlier drawn in 384 or 768 dimensions is far from every text, real or made, because most directions are noise that
no text can match. So distance is measured in a few leading directions of the within-class covariance, whitened, with
the normal of the head projected out, because the margin is compared separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vos.density import GaussianDensity
from vos.errors import ConfigError, ShapeError
from vos.metrics.margins import deciding_pair, margin
from vos.types import LinearHead, VirtualOutliers

NEIGHBOUR = 10
"""The unit of distance is the median distance of a real text to its 10th nearest real text."""


@dataclass(frozen=True)
class Potential:
    """`log φ_z(x) = -β/2 · D² - ½ (max(0, |m(x) - m_z| - δ) / τ)²`, see `TargetSpace.log_potential`.

    Attributes:
        beta: weight of the squared distance D², D in units of the space.
        delta: half-width of the margin band without cost, in logit units.
        tau: scale of the cost outside the band, in logit units.
    """

    beta: float = 4.0
    delta: float = 0.5
    tau: float = 0.25

    def __post_init__(self) -> None:
        if self.beta < 0 or self.delta < 0 or self.tau <= 0:
            raise ConfigError(f"potential: expected beta >= 0, delta >= 0 and tau > 0, got {self}")

    def log_value(self, distances: Tensor, off: Tensor) -> Tensor:
        """Log φ of distances D and margin differences `off`, both of one shape."""
        beyond = (off - self.delta).clamp_min(0.0) / self.tau
        return -0.5 * self.beta * distances**2 - 0.5 * beyond**2


@dataclass(frozen=True)
class Targets:
    """Virtual outliers as targets for texts.

    Attributes:
        features: (m, d).
        coordinates: (m, r), see `TargetSpace.coordinates`.
        margins: (m,) logit units.
        labels: (m,) int64, the class whose Gaussian each was drawn from.
        mahalanobis: (m,) squared distance to that class.
        pairs: (m, 2) int64, the two classes whose logits the margin compares, see `vos.metrics.margins.deciding_pair`.
    """

    features: Tensor
    coordinates: Tensor
    margins: Tensor
    labels: Tensor
    mahalanobis: Tensor
    pairs: Tensor

    def __len__(self) -> int:
        return self.features.shape[0]

    def at(self, rows: Sequence[int]) -> Targets:
        """Only the targets at `rows`, in this order."""
        return Targets(**{name: values[list(rows)] for name, values in vars(self).items()})


@dataclass(frozen=True)
class TargetSpace:
    """Whitened leading within-class directions, orthogonal to the head normal.

    Attributes:
        centre: (d,) float64.
        projection: (d, r) float64; coordinates are `(h - centre) @ projection`.
        unit: median distance of a real text to its 10th neighbour, root mean square over the r coordinates.
        head: the classifier's last layer, which defines the margins.
        harmful: indices of the harmful classes, which define the margin; () if no class is harmful.
    """

    centre: Tensor
    projection: Tensor
    unit: float
    head: LinearHead
    harmful: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        features: Tensor,
        density: GaussianDensity,
        head: LinearHead,
        harmful: tuple[int, ...],
        n_directions: int = 24,
    ) -> TargetSpace:
        """Build the space from a fitted density and the features (n, d) of real texts.

        Raises:
            ConfigError: `n_directions` outside [1, d - (C - 1)].
            ShapeError: fewer than two real texts.
        """
        n_free = features.shape[1] - (head.weight.shape[0] - 1)
        if not 1 <= n_directions <= n_free:
            raise ConfigError(f"n_directions: expected a number in [1, {n_free}], got {n_directions}")
        if features.shape[0] < 2:
            raise ShapeError(f"expected features of at least 2 real texts, got {features.shape[0]}")
        # Differences between class rows span all margins; in the orthogonal complement every margin is constant.
        normals = (head.weight[1:].double() - head.weight[:1].double()).T
        basis = torch.linalg.qr(normals).Q
        free = torch.eye(features.shape[1], dtype=torch.float64) - basis @ basis.T
        values, vectors = torch.linalg.eigh(free @ density.within_class_covariance() @ free)
        leading = vectors[:, -n_directions:].flip(-1) * values[-n_directions:].flip(-1).clamp_min(1e-300).rsqrt()
        centre = density.means[density.ready].mean(0)
        space = cls(centre, free @ leading, 1.0, head, harmful)
        return replace(space, unit=space._neighbour_distance(features))

    def margins(self, logits: Tensor) -> Tensor:
        """Margins (n,) of logits (n, C), see `vos.metrics.margins.margin`."""
        return margin(logits, self.harmful)

    def coordinates(self, features: Tensor) -> Tensor:
        """Coordinates (n, r) float64 of features (n, d)."""
        coordinates: Tensor = (features.double() - self.centre) @ self.projection
        return coordinates

    def distances(self, coordinates: Tensor, targets: Tensor) -> Tensor:
        """D (n, m) between coordinates (n, r) and targets (m, r), in units."""
        distances: Tensor = torch.cdist(coordinates, targets) / (coordinates.shape[1] ** 0.5 * self.unit)
        return distances

    def _neighbour_distance(self, features: Tensor, sample: int = 2000) -> float:
        # A sample of rows against all rows suffices for the median, with bounded memory.
        coordinates = self.coordinates(features)
        rows = coordinates[:: max(1, len(coordinates) // sample)]
        k = min(NEIGHBOUR, len(coordinates) - 1) + 1  # the row itself is its own nearest
        nearest = self.distances(rows, coordinates).topk(k, largest=False).values[:, -1]
        return max(float(nearest.median()), torch.finfo(torch.float64).tiny)

    def targets(self, outliers: VirtualOutliers) -> Targets:
        """Virtual outliers as targets of this space."""
        logits = self.head.logits(outliers.features.to(self.head.weight.dtype))
        return Targets(
            outliers.features,
            self.coordinates(outliers.features),
            self.margins(logits),
            outliers.labels,
            outliers.mahalanobis,
            deciding_pair(logits, self.harmful),
        )

    def log_potential(
        self, features: Tensor, margins: Tensor, targets: Targets, potential: Potential
    ) -> tuple[Tensor, Tensor]:
        """Potential log φ_z(x) (n, m) and D (n, m) of texts with features (n, d) and margins (n,)."""
        distances = self.distances(self.coordinates(features), targets.coordinates)
        off = (margins.double()[:, None] - targets.margins.double()[None, :]).abs()
        return potential.log_value(distances, off), distances
