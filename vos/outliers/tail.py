"""Exact draws from the low-likelihood tail of each class.

With `h = μ + Lz` the density depends only on `r² = ‖z‖²`, and the direction of `z` is uniform and independent of it.
So the outermost points are drawn directly: a radius from the tail of its distribution, then a direction. The
distribution is that of held-out texts; for an uncalibrated density, `r² ~ χ²_d`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError
from vos.outliers._radial import (
    as_outliers,
    check_open_unit,
    labels_to_draw,
    normal,
    uniform,
    unit,
)
from vos.types import LinearHead, VirtualOutliers


@dataclass(frozen=True, kw_only=True)
class TailSampler:
    """Low-likelihood draws from every ready class; see `OutlierSampler`. Exactly one option is given.

    Attributes:
        distance: every draw lies on the shell outside which the share `1 - distance` of real texts lies; in (0, 1).
        epsilon: draws come from the outermost share `epsilon` of the class, in (0, 1].
        draws: the result is the `n_per_class` least likely of this many draws, least likely first. The paper really
            draws them all; here only the result is drawn.

    Raises:
        ConfigError: not exactly one option, or one out of range.

    Source: Du et al. 2022 (VOS). The paper's cut in likelihood is `epsilon`; its code (`train_virtual.py:227-236`) is
    `draws=10000` with one draw kept.
    """

    distance: float | None = None
    epsilon: float | None = None
    draws: int | None = None

    def __post_init__(self) -> None:
        given = {k: v for k, v in vars(self).items() if v is not None}
        if len(given) != 1:
            raise ConfigError(f"outliers: expected exactly one of distance, epsilon and draws, got {given or 'none'}")
        check_open_unit("distance", self.distance)
        if self.epsilon is not None and not 0.0 < self.epsilon <= 1.0:
            raise ConfigError(f"outliers.epsilon: expected a number in (0, 1], got {self.epsilon}")
        if self.draws is not None and self.draws < 1:
            raise ConfigError(f"outliers.draws: expected at least one draw, got {self.draws}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            ConfigError: `n_per_class` below one, or above `draws`.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
        squared = self._squared_radii(density, labels, n_per_class, generator)
        directions = unit(normal((len(labels), density.n_features), generator, labels.device))
        return as_outliers(density.color(squared.sqrt()[:, None] * directions, labels), labels, squared, head)

    def _squared_radii(self, density: GaussianDensity, labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Squared radii (m,) float64 of n draws a class, in class order."""
        if self.distance is not None:
            return density.squared_radii(self.distance, labels)
        # 1 - u lies in (0, 1]: a tail probability of zero would be an infinite radius.
        u = 1.0 - uniform((len(labels) // n, n), generator, torch.device("cpu"))
        tail = self.epsilon * u if self.epsilon is not None else smallest_of_uniforms(u, self.draws or n)
        return density.squared_radii_beyond(tail.flatten(), labels)


def smallest_of_uniforms(u: Tensor, n: int) -> Tensor:
    """The k smallest of n independent uniforms, ascending, from k uniforms (Rényi's representation).

    `q_j = 1 - exp(-Σ_{i<=j} E_i / (n - i + 1))` with `E_i ~ Exp(1)`; the law of `q_j` alone is Beta(j, n - j + 1).

    Args:
        u: (..., k) float64 uniforms in (0, 1].
        n: how many uniforms there are, at least k.

    Returns:
        (..., k) float64.

    Raises:
        ConfigError: n < k.

    Source: Rényi 1953, "On the theory of order statistics".
    """
    k = u.shape[-1]
    if n < k:
        raise ConfigError(f"outliers.draws: expected at least as many draws as are kept, got {n} draws for {k} a class")
    remaining = n - torch.arange(k, dtype=u.dtype, device=u.device)
    q = -torch.expm1((u.log() / remaining).cumsum(-1))
    return q.clamp_min(torch.finfo(u.dtype).tiny)  # u = 1 gives q = 0
