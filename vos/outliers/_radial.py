"""Radii, uniform directions, and the last step that all samplers share."""

from __future__ import annotations

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, ShapeError
from vos.types import LinearHead, VirtualOutliers


def shell(distance: float | None, labels: Tensor, density: GaussianDensity) -> Tensor | None:
    """The radius within which the share `distance` of each class in labels (n,) lies: (n,) float64; None for None."""
    return None if distance is None else density.squared_radii(distance, labels).sqrt()


def normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Standard-normal draws in float64, drawn on the generator's device and then moved."""
    return torch.randn(shape, dtype=torch.float64, device=generator.device, generator=generator).to(device)


def uniform(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform draws from [0, 1) in float64, drawn on the generator's device and then moved."""
    return torch.rand(shape, dtype=torch.float64, device=generator.device, generator=generator).to(device)


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length one; a zero row stays zero."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(lengths > 0.0, lengths, torch.ones_like(lengths))


def labels_to_draw(density: GaussianDensity, head: LinearHead, n_per_class: int) -> Tensor:
    """Labels (m,) of the points to draw, in class order; checks that the head fits the density.

    Raises:
        ConfigError: see `GaussianDensity.ready_labels`.
        NotFittedError: the same.
        ShapeError: `head.weight` is not (C, d) or `head.bias` not (C,) for the density's C and d.
    """
    c, d = density.n_classes, density.n_features
    if head.weight.shape != (c, d) or head.bias.shape != (c,):
        raise ShapeError(
            f"expected a head with weight ({c}, {d}) and bias ({c},), "
            f"got {tuple(head.weight.shape)} and {tuple(head.bias.shape)}"
        )
    return density.ready_labels(n_per_class)


def check_open_unit(name: str, value: float | None) -> None:
    """Refuse a value outside (0, 1); None is accepted.

    Raises:
        ConfigError: `value` outside (0, 1).
    """
    if value is not None and not 0.0 < value < 1.0:
        raise ConfigError(f"outliers.{name}: expected a number in (0, 1), got {value}")


def as_outliers(features: Tensor, labels: Tensor, mahalanobis: Tensor, head: LinearHead) -> VirtualOutliers:
    """The draws as outliers, with features in the head's dtype and everything on its device."""
    device = head.weight.device
    return VirtualOutliers(features.to(head.weight), labels.to(device), mahalanobis.to(device))


def measured(features: Tensor, labels: Tensor, density: GaussianDensity, head: LinearHead) -> VirtualOutliers:
    """Points (m, d) of feature space as outliers of the classes in labels (m,), with computed distances."""
    return as_outliers(features, labels, density.whiten(features, labels).square().sum(-1), head)


def colored(z: Tensor, labels: Tensor, density: GaussianDensity, head: LinearHead) -> VirtualOutliers:
    """Whitened points (m, d) as outliers of the classes in labels (m,)."""
    return as_outliers(density.color(z, labels), labels, z.square().sum(-1), head)
