"""Draws at a chosen energy.

Logits depend on only C of the d coordinates: in whitened coordinates `logits = ν + A z` with `ν` the logits of the
class mean, and with `Aᵀ = QR` only `y = Qᵀz` matters, `logits = ν + Rᵀy`. So `y` is drawn in C dimensions, and a
standard normal orthogonal to Q is added; if the density is calibrated, its length is that of held-out texts with these
logits. The draws are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, InfeasibleError
from vos.outliers._level_set import level_axis, nearest_of_level, shared_direction, whitened_at_level
from vos.outliers._natural import natural_radii
from vos.outliers._radial import colored, labels_to_draw, normal, uniform
from vos.outliers.conditional_values import class_bases, whitened_at_values
from vos.types import LinearHead, VirtualOutliers

PROPOSALS = 1024
"""Proposals per round; they are cheap compared with extending the accepted ones to d dimensions."""


@dataclass(frozen=True, kw_only=True)
class EnergySampler:
    """Draws with a prescribed energy `-logsumexp(logits)`, from every ready class; see `OutlierSampler`.

    Adding a constant to all logits lowers the energy by that constant. So in the coordinates `y = v + t ê`, with `ê`
    along that direction, every `v` has exactly one `t(v)` on the level set, and the density of `v` on it is
    `∝ exp(-½‖v‖² - ½ t(v)²)`. It is drawn by rejection:

    - If the class mean has a lower energy than requested, the set of at least the requested energy is convex, and its
      nearest point `y*` satisfies `‖y‖² >= ‖y*‖² + ‖y - y*‖²`. Proposals `v ~ N(v*, I)` are accepted with probability
      `exp(-½(‖y‖² - ‖y*‖² - ‖v - v*‖²))`, which does not vanish however far away the level is.
    - If it has a higher energy, proposals `v ~ N(0, I)` are accepted with probability `exp(-½ t²)`.

    For a head whose rows are multiples of one vector, such as `[0, z]` of a single logit, see `whitened_at_level`.

    Attributes:
        energy: energy of every draw, logit units; temperature 1.
        max_rounds: largest number of rounds, of at least 1,024 proposals each, for a class.

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
            InfeasibleError: rows of the head are dependent but not multiples of one vector, or a class reaches the
                energy too rarely or never.
            ConfigError: `n_per_class` below one.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
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
                here = torch.full((n_per_class,), c, device=y.device)
                radii = natural_radii(density, here, y.norm(dim=-1), len(nu), generator)
                parts.append(whitened_at_values(basis, y, radii, generator))
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
