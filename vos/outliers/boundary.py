"""Exact draws at a chosen margin to the decision boundary, and at a chosen radius from the class.

The head is linear, so the points of margin `m` form the hyperplane `w·h + b = m`. In whitened coordinates `h = μ + Lz`
it lies at distance `|δ|/s` from the class mean, with `a = Lᵀw`, `s = ‖a‖` and `δ = m - (w·μ + b)`. The Gaussian of the
class, conditioned on margin and radius, is uniform on the sphere where hyperplane and shell meet; conditioned on the
margin alone, it is a standard normal within the hyperplane. Both are drawn directly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, InfeasibleError
from vos.outliers.geometry import Gaps, head_gaps, sides
from vos.outliers.shells import as_outliers, check_head, check_open_unit, normal, squared_radius, uniform, unit
from vos.types import LinearHead, VirtualOutliers


def smallest_feasible_radius(
    mean: Tensor, cholesky: Tensor, normal: Tensor, offset: Tensor | float, margins: Tensor
) -> Tensor:
    """Mahalanobis distance `|δ|/s` from a class mean to the hyperplane `w·h + b = m`.

    Args:
        mean: (d,) float64.
        cholesky: (d, d) float64, lower.
        normal: `w`, (d,) or one a row (m, d).
        offset: `b`, a number or (m,).
        margins: `m`, (m,) float64.

    Returns:
        (m,) float64; +inf where `w` is zero and the margin is not `b`.
    """
    return Gaps(normal @ cholesky, normal @ mean + offset).distance_to(margins)


def draw_at_margin(
    mean: Tensor,
    cholesky: Tensor,
    normal: Tensor,
    offset: Tensor | float,
    margins: Tensor,
    radii: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """Draw `h ~ N(mean, LLᵀ)` given `w·h + b = m` and, where radii are given, given the Mahalanobis radius too.

    Args:
        mean: (d,) float64.
        cholesky: `L`, (d, d) float64, lower.
        normal: `w`, (d,) or one a row (m, d), float64.
        offset: `b`, a number or (m,).
        margins: `m`, (m,) float64.
        radii: (m,) float64, or None for the natural law `r² = (δ/s)² + ρ²`, `ρ² ~ χ²_{d-1}`.
        generator: the only source of randomness.

    Returns:
        (m, d) float64.

    Raises:
        InfeasibleError: a radius below `|δ|/s` (or, with one feature, any other radius), or `w = 0`.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> origin, identity = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
        >>> normal, margins = torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64), torch.ones(4, dtype=torch.float64)
        >>> h = draw_at_margin(origin, identity, normal, 0.0, margins, 5.0 * margins, generator)
        >>> torch.allclose(2.0 * h[:, 2], margins), torch.allclose(h.norm(dim=1), 5.0 * margins)
        (True, True)
    """
    gaps = Gaps((normal @ cholesky).expand(len(margins), -1), normal @ mean + offset)
    if radii is not None:
        refuse_infeasible(gaps.distance_to(margins), radii, margins, len(mean), None)
    return mean + whitened_at_margin(gaps.normals, margins - gaps.at_mean, radii, generator) @ cholesky.mT


def whitened_at_margin(a: Tensor, delta: Tensor, radii: Tensor | None, generator: torch.Generator) -> Tensor:
    """Draw `z ~ N(0, I)` given `a·z = δ`, and given `‖z‖ = r` where radii are given.

    Args:
        a: (m, d) float64, one normal a row, none of them zero.
        delta: (m,) float64.
        radii: (m,) float64, each at least `|δ|/‖a‖`, or None.
        generator: the only source of randomness.

    Returns:
        (m, d) float64.

    Raises:
        InfeasibleError: a normal is zero.
    """
    s: Tensor = a.norm(dim=-1)
    if not (s > 0.0).all():
        raise InfeasibleError(
            "expected a head that tells the classes apart, got equal rows: no margin can be asked for"
        )
    axis = a / s[:, None]
    g = normal(a.shape, generator, a.device)
    for _ in range(2):  # the second pass removes what rounding left of the first, where g is nearly parallel to a
        g = g - (g * axis).sum(-1, keepdim=True) * axis
    shift = delta / s
    if radii is not None:
        g = (radii.square() - shift.square()).clamp_min(0.0).sqrt()[:, None] * unit(g)
    drawn: Tensor = shift[:, None] * axis + g
    return drawn


def refuse_infeasible(smallest: Tensor, radii: Tensor, margins: Tensor, d: int, labels: Tensor | None) -> None:
    """Refuse margins and radii that no point has together, naming the worst row.

    Args:
        smallest: (m,) smallest feasible radii, see `smallest_feasible_radius`.
        radii: (m,) radii asked for.
        margins: (m,) margins asked for, for the message.
        d: feature dimension; with one feature a margin leaves a single radius.
        labels: (m,) classes, for the message, or None.

    Raises:
        InfeasibleError: a row has `r < |δ|/s`.
    """
    excess = smallest - radii
    if d == 1:
        excess = excess.abs() - 1e-9 * smallest
    if (excess <= 0.0).all():
        return
    i = int(excess.argmax())
    radius, needed = float(radii[i]), float(smallest[i])
    place = "" if labels is None else f"class {int(labels[i])}: "
    raise InfeasibleError(
        f"{place}no point has margin {float(margins[i]):.4g} at Mahalanobis radius {radius:.4g}; the smallest feasible "
        f"radius is {needed:.4g}, a distance of {_quantile(needed, d)}. Ask for a larger distance, for a margin nearer "
        "to that of the class mean, or for no distance (null) to let the radius follow"
    )


def _quantile(radius: float, d: int) -> str:
    """The chi-square quantile of a radius, legible near one too."""
    beyond = float(stats.chi2.sf(radius**2, d))
    if beyond > 1e-4:
        return f"{1.0 - beyond:.6g}"
    return f"1 - {beyond:.3g}" if beyond > 0.0 else "1 to all digits"


@dataclass(frozen=True, kw_only=True)
class BoundarySampler:
    """Draws at a margin to the boundary, from every ready class; see `OutlierSampler`.

    With two classes the margin is `logit_1 - logit_0` (harmful minus harmless) whatever class a point is drawn from.
    With more it is that of the drawn class against a rival chosen uniformly among the other ready classes; while only
    one class is ready, among all others.

    Attributes:
        margin: centre of the margins asked for, logit units.
        band: margins are uniform in `[margin - band, margin + band]`; an outlier exactly at margin 0 has no gradient
            under `vos.losses`, which says why.
        distance: chi-square quantile of the squared Mahalanobis radius, in (0, 1), or None for the natural law of the
            radius given the margin.

    Raises:
        ConfigError: a negative `band`, a `distance` outside (0, 1), or a margin that is not finite.
    """

    margin: float = 0.0
    band: float = 0.0
    distance: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.margin) or not 0.0 <= self.band < math.inf:
            raise ConfigError(
                f"outliers: expected a finite margin and a finite band >= 0, got margin={self.margin} band={self.band}"
            )
        check_open_unit("distance", self.distance)

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            InfeasibleError: margin and radius exclude each other for a class; the message says which radius does not.
            ConfigError: `n_per_class` below one, or a single class, which has no boundary.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        check_head(density, head)
        labels = density.ready_labels(n_per_class)
        d, device = density.n_features, labels.device
        gaps = head_gaps(density, head, labels, *sides(density, labels, generator))
        margins = self.margin + self.band * (2.0 * uniform((len(labels),), generator, device) - 1.0)
        radii = None
        if self.distance is not None:
            radii = torch.full_like(margins, squared_radius(self.distance, d) ** 0.5)
            refuse_infeasible(gaps.distance_to(margins), radii, margins, d, labels)
        z = whitened_at_margin(gaps.normals, margins - gaps.at_mean, radii, generator)
        return as_outliers(density.color(z, labels), labels, z.square().sum(-1), head)
