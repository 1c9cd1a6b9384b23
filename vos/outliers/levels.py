"""Draws at chosen logits, or at a chosen energy.

Logits depend on C numbers of the d: in whitened coordinates `logits = ν + A z` with `ν` the logits of the class mean,
and with `Aᵀ = QR` only `y = Qᵀz` matters, `logits = ν + Rᵀy`. So logits are chosen or drawn in C dimensions and lifted
to d dimensions by adding a standard normal orthogonal to Q. All of it is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, InfeasibleError
from vos.outliers.rank_one import shared_direction, whitened_at_level
from vos.outliers.shells import check_head, check_open_unit, colored, normal, squared_radius, uniform
from vos.outliers.values import class_bases, whitened_at_class_values, whitened_at_values
from vos.types import LinearHead, VirtualOutliers

PROPOSALS = 1024
"""Proposals a round; their cost is small against that of lifting what is kept."""

_STEP_SHARES = tuple(0.5**i for i in range(40))
"""Shares of a Newton step that are tried, largest first."""


@dataclass(frozen=True, kw_only=True)
class LogitSampler:
    """Draws with prescribed logits, from every ready class; see `OutlierSampler`.

    Attributes:
        logits: one for every class.
        relative: prescribe only the differences between logits (C - 1 constraints); equal ones ask for points on which
            all classes tie.
        distance: chi-square quantile of the squared Mahalanobis radius, in (0, 1), or None for its natural law.

    Raises:
        ConfigError: fewer than two logits, one that is NaN or infinite, or a distance outside (0, 1).
    """

    logits: Sequence[float]
    relative: bool = True
    distance: float | None = None

    def __post_init__(self) -> None:
        if len(self.logits) < 2:
            raise ConfigError(f"outliers.logits: expected one for every class, at least two, got {self.logits}")
        if not all(math.isfinite(logit) for logit in self.logits):
            raise ConfigError(f"outliers.logits: expected finite numbers, got {self.logits}")
        check_open_unit("distance", self.distance)

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            InfeasibleError: no point of a class has these logits, at this radius where one is given.
            ConfigError: `n_per_class` below one, or another number of classes.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        check_head(density, head)
        labels = density.ready_labels(n_per_class)
        if len(self.logits) != density.n_classes:
            raise ConfigError(f"outliers.logits: expected {density.n_classes}, got {len(self.logits)}")
        wanted = density.means.new_tensor(list(self.logits))
        weight, bias = head.weight.detach().to(density.means), head.bias.detach().to(density.means)
        if self.relative:
            weight, bias, wanted = (t[1:] - t[:1] for t in (weight, bias, wanted))
        radii = None
        if self.distance is not None:
            radius = squared_radius(self.distance, density.n_features) ** 0.5
            radii = density.means.new_full((len(labels),), radius)
        values = wanted.expand(len(labels), -1)
        z = whitened_at_class_values(density, labels, weight, bias, values, radii, generator)
        return colored(z, labels, density, head)


@dataclass(frozen=True, kw_only=True)
class EnergySampler:
    """Draws of a prescribed energy `-logsumexp(logits)`, from every ready class; see `OutlierSampler`.

    Adding one number to all logits lowers the energy by it. So in the coordinates `y = v + t ê`, with `ê` along that
    direction, every `v` has exactly one `t(v)` on the level set, and the law of `v` on it has the density
    `∝ exp(-½‖v‖² - ½ t(v)²)`. It is drawn by rejection:

    - Where the class mean has a lower energy than asked for, the set of higher logsumexp is left behind and the rest is
      convex; `y*`, its nearest point, gives `‖y‖² >= ‖y*‖² + ‖y - y*‖²`. Proposals `v ~ N(v*, I)` are accepted with
      probability `exp(-½(‖y‖² - ‖y*‖² - ‖v - v*‖²))`, which stays fair however far the level is.
    - Where it has a higher energy, proposals `v ~ N(0, I)` are accepted with probability `exp(-½ t²)`.

    Of a head whose rows are all multiples of one, such as `[0, z]` of a single logit, see `vos.outliers.rank_one`.

    Attributes:
        energy: of every draw, logit units; temperature 1.
        max_rounds: rounds of at least 1,024 proposals for a class.

    Raises:
        ConfigError: an energy that is NaN or infinite, or `max_rounds` below one.
    """

    energy: float
    max_rounds: int = 100

    def __post_init__(self) -> None:
        if not math.isfinite(self.energy):
            raise ConfigError(f"outliers.energy: expected a finite number, got {self.energy}")
        if self.max_rounds < 1:
            raise ConfigError(f"outliers.max_rounds: expected at least one round, got {self.max_rounds}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            InfeasibleError: rows of the head are dependent and not all multiples of one, or an energy that a class
                reaches too rarely or never.
            ConfigError: `n_per_class` below one.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        check_head(density, head)
        labels = density.ready_labels(n_per_class)
        weight, bias = head.weight.detach().to(density.means), head.bias.detach().to(density.means)
        logits = {c: weight @ density.means[c] + bias for c in torch.unique(labels).tolist()}  # of the class means
        parts = []
        direction = shared_direction(weight) if len(weight) > 1 else None
        if direction is not None:
            for c, nu in logits.items():
                parts.append(whitened_at_level(density, c, nu, direction, -self.energy, n_per_class, generator))
        else:
            bases = class_bases(density, weight)
            for c, nu in logits.items():
                basis, r = bases(c)
                y = self._level_draws(nu, r, n_per_class, generator, c)
                parts.append(whitened_at_values(basis, y, None, generator))
        return colored(torch.cat(parts), labels, density, head)

    def _level_draws(self, nu: Tensor, r: Tensor, n: int, generator: torch.Generator, label: int) -> Tensor:
        """`y` (n, C) with `logsumexp(ν + Rᵀy) = -energy`."""
        along, length = level_axis(r)
        center, offset = torch.zeros_like(nu), 0.0
        if torch.logsumexp(nu, 0) > -self.energy:
            nearest = nearest_of_level(nu, r, -self.energy)
            center, offset = nearest - (nearest @ along) * along, float(nearest.square().sum())
        drawn = []
        missing = n
        for _ in range(self.max_rounds):
            proposals = center + normal((max(missing, PROPOSALS), len(nu)), generator, nu.device)
            v = proposals - (proposals @ along)[:, None] * along
            t = length * (-self.energy - torch.logsumexp(nu + v @ r, -1))
            cost = v.square().sum(-1) + t.square() - offset - (v - center).square().sum(-1)
            kept = uniform((len(v),), generator, nu.device) < torch.exp(-0.5 * cost)
            drawn.append((v + t[:, None] * along)[kept])
            missing -= int(kept.sum())
            if missing <= 0:
                return torch.cat(drawn)[:n]
        raise InfeasibleError(
            f"class {label}: {n - missing} of {n} draws reached the energy {self.energy:.4g} in {self.max_rounds} "
            f"rounds; its mean has {-float(torch.logsumexp(nu, 0)):.4g}. Ask for an energy nearer to that, or raise "
            "outliers.max_rounds",
            (label,),
        )


def level_axis(r: Tensor) -> tuple[Tensor, float]:
    """`ê` (C,), the direction of `y` that adds one number to all logits `ν + Rᵀy`, and how far it goes for 1 logit."""
    one = torch.ones_like(r[:, :1])
    along = torch.linalg.solve_triangular(r.mT, one, upper=False)[:, 0]
    length = along.norm()
    return along / length, float(length)


def nearest_of_level(nu: Tensor, r: Tensor, level: float, max_steps: int = 1000) -> Tensor:
    """The point `y` nearest to the origin with `logsumexp(ν + Rᵀy) = level`, for a level below `logsumexp(ν)`.

    With `y = v - s(v) ê` on the level and `s(v) = length · (logsumexp(ν + Rᵀv) - level)`, it is the minimum of
    `½‖v‖² + ½ max(s(v), 0)²`, the squared distance to the convex set below the level. That function is strongly convex
    and has no constraint, so Newton steps that are halved until it falls enough cannot miss; the level is met exactly,
    wherever they end.

    Args:
        nu: (C,) float64.
        r: (C, C) float64, upper triangular and regular.
        level: of logsumexp.
        max_steps: of Newton.

    Returns:
        (C,) float64.

    Raises:
        InfeasibleError: the steps do not converge, which rows of the head within rounding of dependent can cause.
    """
    along, length = level_axis(r)
    across = r - torch.outer(along, along @ r)  # R without its part along ê: what v can do to the logits
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
        # The slope's own rank-one part by Sherman and Morrison: it may be 1e16 times the rest.
        u, w = torch.cholesky_solve(torch.stack([slope, v], 1), factor).unbind(1)
        step = -w + u * (slope @ w - max(s, 0.0)) / (1.0 + slope @ u) if s > 0.0 else -v
        fall = -float(gradient @ step)
        if fall <= 1e-12 * value + rounding * (value + length * max(s, 0.0) * size):
            v = v + step  # half of the fall is left to gain, or rounding hides it; one more step squares the error
            return v - distance(v)[1] * along
        enough = (share for share in _STEP_SHARES if distance(v + share * step)[0] <= value - 0.1 * share * fall)
        v = v + next(enough, 0.0) * step
        value, s = distance(v)
    raise InfeasibleError(f"no nearest point of logsumexp = {level:.4g} was found in {max_steps} Newton steps")
