"""Margins of the head in the coordinates of a class: their values at the class means and their whitened gradients."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import InfeasibleError
from vos.outliers._radial import uniform
from vos.types import LinearHead

EQUAL_ROWS = "expected a head that tells the classes apart, got equal rows: no margin can be asked for"


class Gaps(NamedTuple):
    """Margins `m(z) = a·z + m(0)` in the whitened coordinates of a class, one per row.

    Attributes:
        normals: `a = Lᵀw`, (m, d) float64; its length `s` is the standard deviation of the margin in the class.
        at_mean: `m(0) = w·μ + b`, (m,) float64.
    """

    normals: Tensor
    at_mean: Tensor

    def distance_to(self, margins: Tensor) -> Tensor:
        """`|δ|/s` (m,): distance of the class mean from the margins (m,), in standard deviations.

        +inf if the margin is constant in the class and differs from the one requested.
        """
        delta = margins - self.at_mean
        return torch.where(delta == 0.0, torch.zeros_like(delta), delta.abs() / self.normals.norm(dim=-1))


def head_gaps(density: GaussianDensity, head: LinearHead, labels: Tensor, plus: Tensor, minus: Tensor) -> Gaps:
    """The margins `logit[plus] - logit[minus]` in the coordinates of the classes in `labels`.

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


def distinct_rows(head: LinearHead) -> Tensor:
    """Which pairs of classes have different rows of the head's weight: (C, C) bool.

    The rows themselves are compared, because values computed from equal rows may differ by rounding.
    """
    row: Tensor = torch.unique(head.weight.detach().double(), dim=0, return_inverse=True)[1]
    apart: Tensor = row[:, None] != row
    return apart


def allowed_rivals(density: GaussianDensity, apart: Tensor, is_harmful: Tensor) -> Tensor:
    """For every class, the rivals that its margin may be taken against: (C, C) bool.

    These are the other ready classes, limited to the other side if some classes are harmful; if none of them is ready,
    all of them, ready or not. A class with an equal row of the head is a rival only if there is no other; then the
    margin is constant, and `refuse_equal_rows` raises an error.

    Args:
        density: fitted.
        apart: (C, C) bool, see `distinct_rows`.
        is_harmful: (C,) bool, all False if there are no sides.
    """
    others = other_classes(torch.ones_like(density.ready))
    if is_harmful.any():
        others = is_harmful[:, None] != is_harmful
    ready = others & density.ready
    others = torch.where(ready.any(1, keepdim=True), ready, others)
    rivals = others & apart.to(others.device)
    return torch.where(rivals.any(1, keepdim=True), rivals, others)


def compared(own: Tensor, rival: Tensor, is_harmful: Tensor) -> tuple[Tensor, Tensor]:
    """Order own and rival classes, both (m,), as minuend and subtrahend: the harmful one first, or the own one."""
    turned = is_harmful[rival]  # a rival is harmful only if the own class is not
    return torch.where(turned, rival, own), torch.where(turned, own, rival)


def nearest_rivals(
    density: GaussianDensity, head: LinearHead, allowed: Tensor, is_harmful: Tensor, margin: float
) -> Tensor:
    """For every class, the rival whose margin is nearest to the class mean in standard deviations: (C,) int64.

    Args:
        density: fitted.
        head: (C, d), any float dtype.
        allowed: (C, C) bool, see `allowed_rivals`.
        is_harmful: see `allowed_rivals`.
        margin: logit units, with the pair ordered by `compared`.
    """
    own, rival = allowed.nonzero().unbind(-1)
    gaps = head_gaps(density, head, own, *compared(own, rival, is_harmful))
    distances = gaps.at_mean.new_full(allowed.shape, torch.inf)
    distances[own, rival] = gaps.distance_to(torch.full_like(gaps.at_mean, margin))
    return distances.argmin(-1)


def refuse_equal_rows(apart: Tensor, labels: Tensor, plus: Tensor, minus: Tensor) -> None:
    """Refuse margins between two classes with equal rows of the head.

    Args:
        apart: (C, C) bool, see `distinct_rows`.
        labels: (m,) int64, the classes drawn from.
        plus: (m,) int64.
        minus: (m,) int64.

    Raises:
        InfeasibleError: there are such margins; its `classes` are the classes drawn from.
    """
    equal = ~apart.to(labels.device)[plus, minus]
    if equal.any():
        raise InfeasibleError(EQUAL_ROWS, torch.unique(labels[equal]).tolist())


def other_classes(pool: Tensor) -> Tensor:
    """For every class, the other classes in a pool (C,) bool: (C, C) bool."""
    return pool & ~torch.eye(len(pool), dtype=torch.bool, device=pool.device)


def pick_class(allowed: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """For each label, a class (m,) chosen uniformly among those allowed by its row of `allowed` (C, C) bool, if any."""
    counts = allowed.sum(1)
    first = counts.cumsum(0) - counts
    place = (uniform((len(labels),), generator, labels.device) * counts[labels]).long()
    return allowed.nonzero()[first[labels] + place, 1]
