"""The head as the classes see it: margins at the class means and their gradients in whitened coordinates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError
from vos.outliers.shells import uniform
from vos.types import LinearHead


class Gaps(NamedTuple):
    """Margins `m(z) = a·z + m(0)` in the whitened coordinates of a class, one a row.

    Attributes:
        normals: `a = Lᵀw`, (m, d) float64; its length `s` is the standard deviation of the margin in the class.
        at_mean: `m(0) = w·μ + b`, (m,) float64.
    """

    normals: Tensor
    at_mean: Tensor

    def distance_to(self, margins: Tensor) -> Tensor:
        """`|δ|/s` (m,): how many standard deviations the class mean is away from the margins (m,).

        +inf where the head has no gap at all and the margin is another one.
        """
        delta = margins - self.at_mean
        return torch.where(delta == 0.0, torch.zeros_like(delta), delta.abs() / self.normals.norm(dim=-1))


def head_gaps(density: GaussianDensity, head: LinearHead, labels: Tensor, plus: Tensor, minus: Tensor) -> Gaps:
    """The margins `logit[plus] - logit[minus]` as the classes in `labels` see them.

    Args:
        density: fitted.
        head: (C, d), any float dtype.
        labels: (m,) int64, the class whose coordinates are used.
        plus: (m,) int64.
        minus: (m,) int64.
    """
    weight, bias = head.weight.detach().to(density.means), head.bias.detach().to(density.means)
    if density.tied:
        rows = density.pull_back(weight, 0)
        normals = rows[plus] - rows[minus]
    else:
        normals = weight.new_empty(len(labels), density.n_features)
        for c in torch.unique(labels).tolist():
            at = labels == c
            rows = density.pull_back(weight, c)
            normals[at] = rows[plus[at]] - rows[minus[at]]
    at_mean = ((weight[plus] - weight[minus]) * density.means[labels]).sum(-1) + bias[plus] - bias[minus]
    return Gaps(normals, at_mean)


def sides(density: GaussianDensity, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which logits the margin of each draw compares: plus (m,) and minus (m,), see `BoundarySampler`.

    Raises:
        ConfigError: there is a single class.
    """
    if density.n_classes < 2:
        raise ConfigError("expected at least two classes: a single class has no boundary")
    if density.n_classes == 2:
        return torch.ones_like(labels), torch.zeros_like(labels)
    pool = density.ready.nonzero()[:, 0]
    if len(pool) == 1:
        pool = torch.arange(density.n_classes, device=labels.device)
    return labels, other_classes(pool, labels, generator)


def other_classes(pool: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """For each label a class (m,) chosen uniformly among the others of a sorted pool that holds it."""
    own = torch.searchsorted(pool, labels)
    choice = (uniform((len(labels),), generator, labels.device) * (len(pool) - 1)).long()
    return pool[choice + (choice >= own)]  # the others in order, the own place left out
