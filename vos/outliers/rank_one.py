"""Draws at an energy for heads whose rows are all multiples of one, such as the two logits `[0, z]` of a single one.

With `W = g wᵀ` the logits depend on one coordinate of a class: `logits = ν + t a`, where `t = q·z` is a standard
normal, `q = Lᵀw / ‖Lᵀw‖` and `a = ‖Lᵀw‖ g`. Their logsumexp `f(t)` is convex, so that an energy leaves at most two
values of `t`. Given the energy, each has the probability `∝ exp(-½ t²) / |f'(t)|`, and what is orthogonal to q stays a
standard normal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import InfeasibleError
from vos.outliers.shells import uniform
from vos.outliers.values import whitened_at_values

DIRECTION_TOLERANCE = 1e-6
"""Rows this close to multiples of one, relative to the longest, count as such: what rounding in float32 leaves."""


def shared_direction(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """`w` (d,) and `g` (C,) with `W = g wᵀ`, or None where the rows of `W` (C, d) float64 have no common direction.

    None for rows of zeros, which have no direction at all.
    """
    lengths = weight.norm(dim=-1)
    w = weight[lengths.argmax()]
    if not w.any():
        return None
    g = weight @ w / w.square().sum()
    off = (weight - torch.outer(g, w)).norm(dim=-1)
    return (w, g) if bool((off <= DIRECTION_TOLERANCE * lengths.amax()).all()) else None


def whitened_at_level(
    density: GaussianDensity,
    label: int,
    nu: Tensor,
    direction: tuple[Tensor, Tensor],
    level: float,
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw `z ~ N(0, I)` in a class, given that the logsumexp of its logits is `level`: (n, d) float64.

    Args:
        density: fitted.
        label: the class.
        nu: `ν`, the logits of its mean, (C,) float64.
        direction: `w` and `g`, see `shared_direction`.
        level: of logsumexp.
        n: how many.
        generator: the only source of randomness.

    Raises:
        InfeasibleError: no point of the class has this logsumexp.
    """
    w, g = direction
    along = density.pull_back(w[None], label)[0]
    slopes = along.norm() * g
    roots = level_roots(nu, slopes, level)
    if len(roots) == 0:
        raise InfeasibleError(
            f"class {label}: no point has the energy {-level:.4g}. The rows of the head are all multiples of one, and "
            f"the energies that its logits reach end below that; the class mean has {-float(nu.logsumexp(0)):.4g}. Ask "
            "for a lower energy",
            (label,),
        )
    steepness = ((nu + roots[:, None] * slopes).softmax(-1) @ slopes).abs()
    shares = (-0.5 * roots.square() - steepness.log()).softmax(0)
    # Where both roots are one, at the lowest point, the shares may be NaN; either root is then right.
    t = torch.where(uniform((n,), generator, nu.device) < shares[0], roots[0], roots[-1])
    return whitened_at_values((along / along.norm())[:, None], t[:, None], None, generator)


def level_roots(nu: Tensor, slopes: Tensor, level: float) -> Tensor:
    """All `t` with `logsumexp(ν + t a) = level`: (k,) float64 with k at most 2, the largest first.

    Args:
        nu: `ν`, (C,) float64.
        slopes: `a`, (C,) float64, not all zero.
        level: of logsumexp.
    """
    ends = [sign * t for sign in (1.0, -1.0) if (t := largest_root(nu, sign * slopes, level)) is not None]
    return nu.new_tensor(ends)


def largest_root(nu: Tensor, slopes: Tensor, level: float, max_steps: int = 1000) -> float | None:
    """The largest `t` with `logsumexp(ν + t a) = level` at which it does not fall, or None; see `level_roots`."""
    rising = slopes > 0.0
    if not rising.any() or level <= float(nu[slopes == 0.0].logsumexp(0)):
        return None
    # No logit alone is above the level at a root, so all of them lie below this; on a convex function Newton's steps
    # then fall to the largest without passing it, or to where the slope ends.
    t = float(((level - nu[rising]) / slopes[rising]).amin())
    eps, tiny = torch.finfo(nu.dtype).eps, torch.finfo(nu.dtype).tiny
    rounding = 4.0 * eps * (1.0 + abs(level) + float(nu.abs().amax()))
    for _ in range(max_steps):
        logits = nu + t * slopes
        gap, slope = float(logits.logsumexp(0)) - level, float(logits.softmax(0) @ slopes)
        if gap <= rounding:
            return t
        if slope <= tiny:
            return None
        t -= gap / slope
    return None
