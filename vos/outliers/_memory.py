"""Access to the features of texts, for samplers that need more than the fitted Gaussian."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import DataError
from vos.outliers._radial import uniform

Memory = Callable[[], tuple[Tensor, Tensor]]
"""`contents` of a `FeatureBank` or `FeatureQueue`: features (n, d) and labels (n,)."""


def read(memory: Memory, density: GaussianDensity) -> tuple[Tensor, Tensor]:
    """Features (n, d) float64 and labels (n,) on the density's device, with rows of every ready class.

    Raises:
        DataError: a ready class has no row, so the density was fitted to something else.
    """
    features, labels = memory()
    features, labels = features.to(density.means), labels.to(density.ready.device)
    absent = density.ready & (torch.bincount(labels, minlength=density.n_classes)[: density.n_classes] == 0)
    if absent.any():
        raise DataError(
            f"expected features of every ready class in the memory, found none of class {int(absent.nonzero()[0, 0])}: "
            "fit the density to what the memory holds"
        )
    return features, labels


def at_most(labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Rows, ascending, of n texts per class in labels (N,), chosen uniformly; all texts of a class with fewer."""
    order = uniform((len(labels),), generator, labels.device).argsort()
    order = order[labels[order].argsort(stable=True)]  # class by class, shuffled within each
    counts = torch.bincount(labels)
    place = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels[order]]
    return order[place < n].sort().values


def pick_rows(labels: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """For each class in `wanted` (m,), a row of that class in `labels` (n,), chosen uniformly with replacement."""
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels, minlength=int(wanted.max()) + 1)
    first = counts.cumsum(0) - counts
    place = (uniform((len(wanted),), generator, labels.device) * counts[wanted]).long()
    return order[first[wanted] + place]
