"""The level sets of logsumexp: their nearest points, and draws on them for heads of rank one.

The rows of a rank-one head are multiples of one vector, such as the two logits `[0, z]` made from a single logit. With
`W = g wᵀ` the logits depend on one coordinate of a class: `logits = ν + t a`, where `t = q·z` is a standard normal,
`q = Lᵀw / ‖Lᵀw‖` and `a = ‖Lᵀw‖ g`. Their logsumexp `f(t)` is convex, so at most two values of `t` lie on a level.
Given the level, each has the probability `∝ exp(-½ t²) / |f'(t)|`, and the part orthogonal to q is still a standard
normal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import InfeasibleError
from vos.outliers._natural import natural_radii
from vos.outliers._radial import uniform
from vos.outliers.conditional_values import whitened_at_values

DIRECTION_TOLERANCE = 1e-6
"""Rows this close to multiples of one vector, relative to the longest, count as multiples: float32 rounding error."""

_STEP_SHARES = tuple(0.5**i for i in range(40))
"""Step lengths that are tried in the line search of Newton's method, largest first."""


def level_axis(r: Tensor) -> tuple[Tensor, float]:
    """`ê` (C,), the direction of `y` that raises all logits `ν + Rᵀy` equally, and the step length per logit unit."""
    one = torch.ones_like(r[:, :1])
    along = torch.linalg.solve_triangular(r.mT, one, upper=False)[:, 0]
    length = along.norm()
    return along / length, float(length)


def nearest_of_level(nu: Tensor, r: Tensor, level: float, max_steps: int = 1000) -> Tensor:
    """The point `y` nearest to the origin with `logsumexp(ν + Rᵀy) = level`, for a level below `logsumexp(ν)`.

    With `y = v - s(v) ê` on the level and `s(v) = length · (logsumexp(ν + Rᵀv) - level)`, it is the minimum of
    `½‖v‖² + ½ max(s(v), 0)²`, the squared distance to the convex set below the level. That function is strongly convex
    and unconstrained, so Newton's method with step halving converges; the level is met exactly, wherever it stops.

    Args:
        nu: (C,) float64.
        r: (C, C) float64, upper triangular and regular.
        level: value of logsumexp.
        max_steps: largest number of Newton steps.

    Returns:
        (C,) float64.

    Raises:
        InfeasibleError: no convergence, which nearly dependent rows of the head can cause.
    """
    along, length = level_axis(r)
    across = r - torch.outer(along, along @ r)  # R without its part along ê: the effect of v on the logits
    identity = torch.eye(len(nu), dtype=r.dtype, device=r.device)

    def distance(v: Tensor) -> tuple[float, float]:
        s = length * float(torch.logsumexp(nu + v @ r, 0) - level)
        return 0.5 * float(v.square().sum()) + 0.5 * max(s, 0.0) ** 2, s

    rounding, size = 16.0 * torch.finfo(nu.dtype).eps, 1.0 + abs(level) + float(nu.abs().max())
    v = torch.zeros_like(nu)
    value, s = distance(v)
    for _ in range(max_steps):
        p = (nu + v @ r).softmax(0)
        slope = length * (across @ p)  # of s
        gradient = v + max(s, 0.0) * slope
        curvature = identity + max(s, 0.0) * length * (across @ (torch.diag(p) - torch.outer(p, p)) @ across.mT)
        factor = torch.linalg.cholesky(curvature)
        # The rank-one part of the Hessian by the Sherman-Morrison formula: it may be 1e16 times the rest.
        u, w = torch.cholesky_solve(torch.stack([slope, v], 1), factor).unbind(1)
        step = -w + u * (slope @ w - max(s, 0.0)) / (1.0 + slope @ u) if s > 0.0 else -v
        fall = -float(gradient @ step)
        if fall <= 1e-12 * value + rounding * (value + length * max(s, 0.0) * size):
            v = v + step  # the remaining decrease is at rounding error; one more step squares the error
            return v - distance(v)[1] * along
        enough = (share for share in _STEP_SHARES if distance(v + share * step)[0] <= value - 0.1 * share * fall)
        v = v + next(enough, 0.0) * step
        value, s = distance(v)
    raise InfeasibleError(f"no nearest point of logsumexp = {level:.4g} was found in {max_steps} Newton steps")


def shared_direction(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """`w` (d,) and `g` (C,) with `W = g wᵀ`, or None if the rows of `W` (C, d) float64 have no common direction.

    Also None if all rows are zero.
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
        nu: `ν`, the logits of the class mean, (C,) float64.
        direction: `w` and `g`, see `shared_direction`.
        level: value of logsumexp.
        n: number of draws.
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
    # If the two roots coincide, at the minimum, the probabilities may be NaN; either root is then correct.
    t = torch.where(uniform((n,), generator, nu.device) < shares[0], roots[0], roots[-1])
    radii = natural_radii(density, torch.full((n,), label, device=nu.device), t.abs(), 1, generator)
    return whitened_at_values((along / along.norm())[:, None], t[:, None], radii, generator)


def level_roots(nu: Tensor, slopes: Tensor, level: float) -> Tensor:
    """All `t` with `logsumexp(ν + t a) = level`: (k,) float64 with k at most 2, the largest first.

    Args:
        nu: `ν`, (C,) float64.
        slopes: `a`, (C,) float64, not all zero.
        level: value of logsumexp.
    """
    ends = [sign * t for sign in (1.0, -1.0) if (t := largest_root(nu, sign * slopes, level)) is not None]
    return nu.new_tensor(ends)


def largest_root(nu: Tensor, slopes: Tensor, level: float, max_steps: int = 1000) -> float | None:
    """The largest `t` with `logsumexp(ν + t a) = level`, where it does not decrease, or None; see `level_roots`."""
    rising = slopes > 0.0
    if not rising.any() or level <= float(nu[slopes == 0.0].logsumexp(0)):
        return None
    # At a root no single logit exceeds the level, so every root is at most this start; on a convex function Newton's
    # method then descends to the largest root without passing it, or to where the slope vanishes.
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
