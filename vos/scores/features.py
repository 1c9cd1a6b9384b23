"""OOD scores computed from features, and sums of scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.checks import check_rows
from vos.density.neighbors import kth_distance
from vos.errors import ConfigError, ShapeError


def mahalanobis(density: GaussianDensity, features: Tensor) -> Tensor:
    """Squared Mahalanobis distance to the nearest ready class: (n,) float64 of features (n, d).

    Source: Lee et al. 2018, equation (2); there its negative, higher = more in-distribution.
    """
    return density.mahalanobis(features).amin(-1)


def relative_mahalanobis(density: GaussianDensity, background: GaussianDensity, features: Tensor) -> Tensor:
    """Squared Mahalanobis distance to the nearest class, minus that to all texts as one class: (n,) float64.

    Args:
        density: fitted with class labels.
        background: fitted to the same features with one class for all texts.
        features: (n, d).

    Raises:
        ConfigError: `background` has more than one class.

    Source: Ren et al. 2021, "A simple fix to Mahalanobis distance for improving near-OOD detection".
    """
    if background.n_classes != 1:
        raise ConfigError(f"expected a background density of one class, got {background.n_classes}")
    return density.mahalanobis(features).amin(-1) - background.mahalanobis(features)[:, 0]


def knn(features: Tensor, bank: Tensor, k: int = 10, normalize: bool = True) -> Tensor:
    """Euclidean distance to the k-th nearest row of a bank of ID features: (n,) float64 of features (n, d).

    Args:
        features: (n, d). A row that is also in the bank is its own nearest neighbour.
        bank: (N, d), N >= 1.
        k: at least one; if the bank has fewer than `k` rows, the farthest row counts.
        normalize: first scale all rows to length one, which the paper found necessary.

    Raises:
        ConfigError: `k` below one.
        ShapeError: shapes are not these.

    Source: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", section 3.
    """
    check_rows(features, "features (n, d)")
    check_rows(bank, "bank (N, d)")
    if bank.shape[1] != features.shape[1] or len(bank) == 0:
        raise ShapeError(f"expected a bank (N, {features.shape[1]}) with N >= 1, got {tuple(bank.shape)}")
    if k < 1:
        raise ConfigError(f"knn: expected k >= 1, got {k}")
    features, bank = features.double(), bank.to(features.device).double()
    if normalize:
        features, bank = (torch.nn.functional.normalize(rows, dim=-1) for rows in (features, bank))
    return kth_distance(features, bank, k)


def standardized_sum(scores: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Sum of several scores of the same texts, each in standard deviations of ID texts: (n,) float64.

    Args:
        scores: at least one, (n,) each.
        references: for each score, its values on ID texts (m,), m >= 1; only their mean and standard deviation are
            used. A score with zero standard deviation is not scaled.

    Raises:
        ShapeError: no score, an empty reference, or a different number of references.

    Source: ours. Scores that fail on different texts complement each other: for example the energy of a fine-tuned
    classifier and the nearest neighbour in the features of the encoder before fine-tuning, which retain information
    that fine-tuning discards.
    """
    if not scores or len(scores) != len(references) or not all(len(reference) for reference in references):
        raise ShapeError(
            f"expected a reference of at least one ID text for each of at least one score, got {len(scores)} scores, "
            f"and references of {[len(reference) for reference in references]} texts"
        )
    parts = []
    for score, reference in zip(scores, references, strict=True):
        known = reference.to(score.device).double()
        deviation = known.std(correction=0)
        parts.append((score.double() - known.mean()) / torch.where(deviation > 0.0, deviation, 1.0))
    return torch.stack(parts).sum(0)
