"""Two simple baselines for the Gaussian samplers: mixes between classes, and isotropic noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, NotFittedError
from vos.outliers._geometry import other_classes, pick_class
from vos.outliers._memory import Memory, pick_rows, read
from vos.outliers._radial import labels_to_draw, measured, normal, uniform
from vos.types import LinearHead, VirtualOutliers, harmful_mask


@dataclass(frozen=True, kw_only=True)
class MixSampler:
    """Convex mixes `s h_i + (1 - s) h_j` of points of two classes, a baseline; see `OutlierSampler`.

    `h_i` is a point of the class drawn from, `h_j` of another ready class, chosen uniformly; if some classes are
    harmful, of a class of the other side if one is ready.

    Attributes:
        low: `s` is uniform in `[low, high]`, within [0, 1].
        high: see `low`.
        harmful: indices of the harmful classes; () if no class is harmful. The command-line tools set it from the data.
        memory: source of the features of texts to mix, such as `FeatureBank.contents`; None: mix draws from the
            Gaussians.

    Raises:
        ConfigError: not `0 <= low <= high <= 1`.

    Source: Zhan et al. 2021 (DCLOOS), `Encoder.py:88-95`, with s in [0, 1].
    """

    low: float = 0.0
    high: float = 1.0
    harmful: Sequence[int] = ()
    memory: Memory | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ConfigError(f"outliers: expected 0 <= low <= high <= 1, got low={self.low} high={self.high}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            ConfigError: `n_per_class` below one, or an unknown harmful class.
            DataError: a ready class has no texts in the memory.
            NotFittedError: fewer than two classes are ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
        n_ready = int(density.ready.sum())
        if n_ready < 2:
            raise NotFittedError(f"expected two ready classes to mix, found {n_ready}")
        others = other_classes(density.ready)
        side = harmful_mask(density.n_classes, self.harmful, labels.device)
        across = others & (side[:, None] != side)
        others = torch.where(across.any(1, keepdim=True), across, others)
        wanted = torch.cat([labels, pick_class(others, labels, generator)])
        if self.memory is None:
            h = density.color(normal((len(wanted), density.n_features), generator, labels.device), wanted)
        else:
            features, owners = read(self.memory, density)
            h = features[pick_rows(owners, wanted, generator)]
        own, other = h.chunk(2)
        s = self.low + (self.high - self.low) * uniform((len(labels), 1), generator, labels.device)
        mixed = s * own + (1.0 - s) * other
        return measured(mixed, labels, density, head)


@dataclass(frozen=True, kw_only=True)
class NoiseSampler:
    """Isotropic noise around the class means, a control without any preferred direction; see `OutlierSampler`.

    Attributes:
        scale: standard deviation of the noise, in standard deviations of a feature within the class.

    Raises:
        ConfigError: `scale` not positive, or infinite.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.scale < math.inf:
            raise ConfigError(f"outliers.scale: expected a finite number > 0, got {self.scale}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        Raises:
            ConfigError: `n_per_class` below one.
            NotFittedError: no class is ready.
            ShapeError: the head does not fit the density.
        """
        labels = labels_to_draw(density, head, n_per_class)
        spread = self.scale * density.mean_variance().sqrt().expand(density.n_classes)
        noise = normal((len(labels), density.n_features), generator, labels.device)
        h = density.means[labels] + spread[labels][:, None] * noise
        return measured(h, labels, density, head)
