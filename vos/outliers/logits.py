"""Draws at chosen logits, or at chosen differences between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vos.density.base import GaussianDensity
from vos.errors import ConfigError
from vos.outliers._radial import check_open_unit, colored, labels_to_draw, shell
from vos.outliers.conditional_values import whitened_at_class_values
from vos.types import LinearHead, VirtualOutliers


@dataclass(frozen=True, kw_only=True)
class LogitSampler:
    """Draws with prescribed logits, from every ready class; see `OutlierSampler`.

    Attributes:
        logits: one for every class.
        relative: prescribe only the differences between logits (C - 1 constraints); equal logits give points where all
            classes tie.
        distance: every draw lies farther from its class than this share of real texts, in (0, 1); None: the radius is
            drawn from its distribution given the logits.

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
            InfeasibleError: no point of a class has these logits, or none at the given radius.
            ConfigError: `n_per_class` below one, or another number of classes.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
        if len(self.logits) != density.n_classes:
            raise ConfigError(f"outliers.logits: expected {density.n_classes}, got {len(self.logits)}")
        wanted = density.means.new_tensor(list(self.logits))
        weight, bias = head.weight.detach().to(density.means), head.bias.detach().to(density.means)
        if self.relative:
            weight, bias, wanted = (t[1:] - t[:1] for t in (weight, bias, wanted))
        radii = shell(self.distance, labels, density)
        values = wanted.expand(len(labels), -1)
        z = whitened_at_class_values(density, labels, weight, bias, values, radii, generator)
        return colored(z, labels, density, head)
