"""Exact Gaussian draws on a hyperplane, with or without a radius.

In whitened coordinates `h = μ + Lz` a linear constraint `w·h + b = m` is `a·z = δ` with `a = Lᵀw` and
`δ = m - (w·μ + b)`. A standard normal, given `a·z = δ`, is the nearest point of that plane plus a standard normal
within the plane; given its radius `r` too, the part within the plane is uniform on a sphere of radius
`√(r² - δ²/‖a‖²)`. `vos.outliers.conditional_values` has several constraints.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.calibration import chi_square_beyond
from vos.errors import InfeasibleError
from vos.outliers._geometry import EQUAL_ROWS, Gaps
from vos.outliers._radial import normal, unit


def smallest_feasible_radius(
    mean: Tensor, cholesky: Tensor, normal: Tensor, offset: Tensor | float, margins: Tensor
) -> Tensor:
    """Mahalanobis distance `|δ|/s` from a class mean to the hyperplane `w·h + b = m`, with `s = ‖Lᵀw‖`.

    Args:
        mean: (d,) float64.
        cholesky: `L`, (d, d) float64.
        normal: `w`, (d,) or (m, d), one per row.
        offset: `b`, a number or (m,).
        margins: `m`, (m,) float64.

    Returns:
        (m,) float64; +inf if `w` is zero and the margin is not `b`.
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
    """Draw `h ~ N(mean, LLᵀ)` given `w·h + b = m` and, if radii are given, given the Mahalanobis radius.

    Args:
        mean: (d,) float64.
        cholesky: `L`, (d, d) float64.
        normal: `w`, (d,) or (m, d), one per row, float64.
        offset: `b`, a number or (m,).
        margins: `m`, (m,) float64.
        radii: (m,) float64, or None for their distribution given the margin, `r² = (δ/s)² + ρ²`, `ρ² ~ χ²_{d-1}`.
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
    refuse_infeasible(gaps.distance_to(margins), radii, margins, 1, len(mean), None)
    return mean + whitened_at_margin(gaps.normals, margins - gaps.at_mean, radii, generator) @ cholesky.mT


def whitened_at_margin(a: Tensor, delta: Tensor, radii: Tensor | None, generator: torch.Generator) -> Tensor:
    """Draw `z ~ N(0, I)` given `a·z = δ`, one constraint per row, and given `‖z‖ = r` if radii are given.

    Args:
        a: (m, d) float64, none of the rows zero.
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
        raise InfeasibleError(EQUAL_ROWS)
    axis = a / s[:, None]
    g = normal(a.shape, generator, a.device)
    for _ in range(2):  # the second pass removes rounding error if g is nearly parallel to a
        g = g - (g * axis).sum(-1, keepdim=True) * axis
    shift = delta / s
    return shift[:, None] * axis + on_sphere(g, shift.square(), radii)


def refuse_infeasible(
    smallest: Tensor,
    radii: Tensor | None,
    margins: Tensor,
    n_constraints: int,
    d: int,
    labels: Tensor | None,
    density: GaussianDensity | None = None,
) -> None:
    """Refuse margins and radii that exclude each other, naming the worst row.

    Args:
        smallest: (m,) smallest feasible radii, see `smallest_feasible_radius`.
        radii: (m,) requested radii, or None, for which nothing is refused.
        margins: (m,) requested margins, for the message.
        n_constraints: K; if K = d the constraints leave a single point, and so a single radius.
        d: feature dimension.
        labels: (m,) classes, for the message, or None.
        density: converts the smallest radius to a distance in the message; None: that of a Gaussian.

    Raises:
        InfeasibleError: a radius below the smallest feasible one; its `classes` are those of all such rows.
    """
    if radii is None:
        return
    excess = smallest - radii
    if d == n_constraints:
        excess = excess.abs() - 1e-9 * smallest
    if (excess <= 0.0).all():
        return
    i = int(excess.argmax())
    radius, needed = float(radii[i]), float(smallest[i])
    place = "" if labels is None else f"class {int(labels[i])}: "
    if density is None or labels is None:
        beyond = float(chi_square_beyond(d, np.array([needed**2]))[0])
    else:
        beyond = float(density.share_beyond(smallest[i : i + 1].square(), labels[i : i + 1]))
    raise InfeasibleError(
        f"{place}no point has margin {float(margins[i]):.4g} at Mahalanobis radius {radius:.4g}; the smallest feasible "
        f"radius is {needed:.4g}, a distance of {_quantile(beyond)}. Ask for a larger distance, for a margin nearer "
        "to that of the class mean, or for no distance (null) to let the radius follow",
        () if labels is None else torch.unique(labels[excess > 0.0]).tolist(),
    )


def on_sphere(g: Tensor, fixed: Tensor, radii: Tensor | None) -> Tensor:
    """The part within the plane: `g` unchanged, or scaled so that its squared length plus `fixed` is `r²`."""
    if radii is None:
        return g
    return (radii.square() - fixed).clamp_min(0.0).sqrt()[:, None] * unit(g)


def _quantile(beyond: float) -> str:
    """The distance beyond which this share lies, with enough digits near one."""
    if beyond > 1e-4:
        return f"{1.0 - beyond:.6g}"
    return f"1 - {beyond:.3g}" if beyond > 0.0 else "1 to all digits"
