"""The head as the classes see it: margins at the class means and their gradients in whitened coordinates."""

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


def distinct_rows(head: LinearHead) -> Tensor:
    """Which classes the head tells apart: (C, C) bool, False where two rows of the weight are equal.

    The rows themselves are compared: what is computed from equal ones may differ by rounding.
    """
    row: Tensor = torch.unique(head.weight.detach().double(), dim=0, return_inverse=True)[1]
    apart: Tensor = row[:, None] != row
    return apart


def allowed_rivals(density: GaussianDensity, apart: Tensor, is_harmful: Tensor) -> Tensor:
    """For every class those that its margin may be taken against: (C, C) bool.

    The other ready classes, where there are harmful ones those of the other side; while none of these is ready, all of
    them. A class takes no rival that it is not told apart from, unless there is no other: then its draws have no
    margin, which `refuse_equal_rows` says.

    Args:
        density: fitted.
        apart: (C, C) bool, see `distinct_rows`.
        is_harmful: (C,) bool, nowhere True where there are no sides.
    """
    others = other_classes(torch.ones_like(density.ready))
    if is_harmful.any():
        others = is_harmful[:, None] != is_harmful
    ready = others & density.ready
    others = torch.where(ready.any(1, keepdim=True), ready, others)
    rivals = others & apart.to(others.device)
    return torch.where(rivals.any(1, keepdim=True), rivals, others)


def compared(own: Tensor, rival: Tensor, is_harmful: Tensor) -> tuple[Tensor, Tensor]:
    """Which logit of own and rival classes, both (m,), is taken less the other: the harmful one, else the own."""
    turned = is_harmful[rival]  # a rival is harmful only where the own class is not
    return torch.where(turned, rival, own), torch.where(turned, own, rival)


def nearest_rivals(
    density: GaussianDensity, head: LinearHead, allowed: Tensor, is_harmful: Tensor, margin: float
) -> Tensor:
    """For every class the rival whose margin is the fewest standard deviations away from its mean: (C,) int64.

    Args:
        density: fitted.
        head: (C, d), any float dtype.
        allowed: (C, C) bool, see `allowed_rivals`.
        is_harmful: see `allowed_rivals`.
        margin: logit units, of the pair as `compared` orders it.
    """
    own, rival = allowed.nonzero().unbind(-1)
    gaps = head_gaps(density, head, own, *compared(own, rival, is_harmful))
    distances = gaps.at_mean.new_full(allowed.shape, torch.inf)
    distances[own, rival] = gaps.distance_to(torch.full_like(gaps.at_mean, margin))
    return distances.argmin(-1)


def refuse_equal_rows(apart: Tensor, labels: Tensor, plus: Tensor, minus: Tensor) -> None:
    """Refuse margins between two classes that the head does not tell apart.

    Args:
        apart: (C, C) bool, see `distinct_rows`.
        labels: (m,) int64, the classes drawn from.
        plus: (m,) int64.
        minus: (m,) int64.

    Raises:
        InfeasibleError: there are such rows; names the classes drawn from of all of them.
    """
    equal = ~apart.to(labels.device)[plus, minus]
    if equal.any():
        raise InfeasibleError(EQUAL_ROWS, torch.unique(labels[equal]).tolist())


def other_classes(pool: Tensor) -> Tensor:
    """For every class the others of a pool (C,) bool: (C, C) bool."""
    return pool & ~torch.eye(len(pool), dtype=torch.bool, device=pool.device)


def pick_class(allowed: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """For each label a class (m,) chosen uniformly among those that its row of `allowed` (C, C) bool holds, if any."""
    counts = allowed.sum(1)
    first = counts.cumsum(0) - counts
    place = (uniform((len(labels),), generator, labels.device) * counts[labels]).long()
    return allowed.nonzero()[first[labels] + place, 1]
