"""OOD scores: one number a text, higher = more out-of-distribution, always.

Scores of logits keep their dtype and device; scores of features are float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, ShapeError

KNN_BLOCK = 1024
"""Rows of features that are compared with the bank at once; bounds the memory of `knn`."""


def msp(logits: Tensor) -> Tensor:
    """One minus the largest softmax probability: (n,) in [0, 1 - 1/C] of logits (n, C).

    Computed as the probability of all other classes, so that confident texts keep their order where `1 - p` would round
    to zero.

    Source: Hendrycks and Gimpel 2017 (MSP); there the score is `p`, higher = more in-distribution.
    """
    _check_rows(logits, "logits (n, C)")
    others = logits.scatter(1, logits.argmax(-1, keepdim=True), -math.inf)
    return torch.exp(torch.logsumexp(others, -1) - torch.logsumexp(logits, -1))


def max_logit(logits: Tensor) -> Tensor:
    """Minus the largest logit: (n,) of logits (n, C).

    Source: Hendrycks et al. 2022, "Scaling out-of-distribution detection for real-world settings".
    """
    _check_rows(logits, "logits (n, C)")
    return -logits.amax(-1)


def energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Free energy `-T · logsumexp(logits / T)`: (n,) of logits (n, C).

    Args:
        logits: (n, C).
        temperature: `T` > 0; as it falls to zero the energy becomes minus the largest logit.

    Raises:
        ConfigError: `temperature` not positive.
        ShapeError: logits are not (n, C).

    Source: Liu et al. 2020, equation (4). The released code scores its negative.
    """
    _check_rows(logits, "logits (n, C)")
    if not temperature > 0.0:
        raise ConfigError(f"energy: expected a temperature > 0, got {temperature}")
    return -temperature * torch.logsumexp(logits / temperature, -1)


def mahalanobis(density: GaussianDensity, features: Tensor) -> Tensor:
    """Squared Mahalanobis distance to the nearest ready class: (n,) float64 of features (n, d).

    Source: Lee et al. 2018, equation (2); there its negative, higher = more in-distribution.
    """
    return density.mahalanobis(features).amin(-1)


def relative_mahalanobis(density: GaussianDensity, background: GaussianDensity, features: Tensor) -> Tensor:
    """Squared Mahalanobis distance to the nearest class, less that to all texts as one class: (n,) float64.

    Args:
        density: fitted with class labels.
        background: fitted to the same features with one class for all texts.
        features: (n, d).

    Raises:
        ConfigError: `background` has more than one class.

    Source: Ren et al. 2021, "A simple fix to Mahalanobis distance for improving near-OOD detection", equation (3).
    """
    if background.n_classes != 1:
        raise ConfigError(f"expected a background density of one class, got {background.n_classes}")
    return density.mahalanobis(features).amin(-1) - background.mahalanobis(features)[:, 0]


def knn(features: Tensor, bank: Tensor, k: int = 10, normalize: bool = True) -> Tensor:
    """Euclidean distance to the k-th nearest row of a bank of ID features: (n,) float64 of features (n, d).

    Args:
        features: (n, d). A row that is in the bank too counts itself as its nearest.
        bank: (N, d), N >= 1.
        k: at least one; a bank with fewer rows than `k` is used to its last row.
        normalize: scale all rows to length one first, as the paper found necessary.

    Raises:
        ConfigError: `k` below one.
        ShapeError: shapes are not these.

    Source: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", section 3.
    """
    _check_rows(features, "features (n, d)")
    _check_rows(bank, "bank (N, d)")
    if bank.shape[1] != features.shape[1] or len(bank) == 0:
        raise ShapeError(f"expected a bank (N, {features.shape[1]}) with N >= 1, got {tuple(bank.shape)}")
    if k < 1:
        raise ConfigError(f"knn: expected k >= 1, got {k}")
    features, bank = features.double(), bank.to(features.device).double()
    if normalize:
        features, bank = (torch.nn.functional.normalize(rows, dim=-1) for rows in (features, bank))
    k = min(k, len(bank))
    scores = features.new_empty(len(features))
    for start in range(0, len(features), KNN_BLOCK):
        rows = features[start : start + KNN_BLOCK]
        neighbour = torch.cdist(rows, bank).topk(k, largest=False).indices[:, -1]
        # The search multiplies matrices, which cancels near zero; the distance that counts is taken directly.
        scores[start : start + KNN_BLOCK] = (rows - bank[neighbour]).norm(dim=-1)
    return scores


def _check_rows(values: Tensor, expected: str) -> None:
    if values.ndim != 2 or values.shape[1] == 0 or not values.is_floating_point():
        raise ShapeError(f"expected float {expected}, got {tuple(values.shape)} {values.dtype}")
