"""Accuracy, Brier score, calibration error and the Wilson interval."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from vos.density.checks import check_finite, check_labels
from vos.errors import ConfigError, ShapeError


def accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    """Share of correct predictions: scalar float64 of predictions (n,) and labels (n,), both int64.

    Raises:
        ShapeError: shapes differ, or no text.
    """
    if predictions.ndim != 1 or predictions.shape != labels.shape or len(labels) == 0:
        raise ShapeError(
            f"expected predictions (n,) and labels (n,) with n >= 1, "
            f"got {tuple(predictions.shape)} and {tuple(labels.shape)}"
        )
    return (predictions == labels).double().mean()


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Brier score `½ Σ_c (p_c - [y = c])²`, averaged over texts: scalar float64 in [0, 1].

    Halved so that for two classes it is the usual `(p_1 - y)²`.

    Args:
        probabilities: (n, C), rows sum to one.
        labels: (n,) int64 in [0, C).

    Raises:
        ShapeError: shapes or dtypes are not these, no text, or rows that do not sum to one.
        DataError: a label outside [0, C), or a row with NaN.

    Source: Brier 1950, where it is not halved.

    Example:
        >>> brier(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0]))
        tensor(0.1850, dtype=torch.float64)
    """
    _check_probabilities(probabilities, labels)
    p = probabilities.double()
    target = torch.nn.functional.one_hot(labels, p.shape[1]).to(p)
    return 0.5 * (p - target).square().sum(-1).mean()


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Tensor:
    """Mean gap between confidence and accuracy over equal-width bins of confidence: scalar float64 in [0, 1].

    `Σ_b n_b / n · |accuracy_b - confidence_b|`, confidence being the largest probability; bin b is `((b-1)/B, b/B]`.

    Args:
        probabilities: (n, C), rows sum to one.
        labels: (n,) int64 in [0, C).
        bins: `B`, at least one.

    Raises:
        ShapeError: shapes or dtypes are not these, no text, or rows that do not sum to one.
        DataError: a label outside [0, C), or a row with NaN.
        ConfigError: `bins` below one.

    Source: Guo et al. 2017, "On calibration of modern neural networks", equation (3).

    Example:
        >>> expected_calibration_error(torch.tensor([[0.95, 0.05], [0.15, 0.85]]), torch.tensor([0, 0]), bins=10)
        tensor(0.4500, dtype=torch.float64)
    """
    _check_probabilities(probabilities, labels)
    if bins < 1:
        raise ConfigError(f"expected at least one bin, got {bins}")
    confidence, prediction = probabilities.double().max(-1)
    edges = torch.linspace(0.0, 1.0, bins + 1, dtype=torch.float64, device=confidence.device)
    place = torch.bucketize(confidence, edges[1:-1])
    gap = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    gap.index_add_(0, place, (prediction == labels).double() - confidence)
    return gap.abs().sum() / len(labels)


def wilson_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share: lower and upper bound, given k successes in n trials.

    Its coverage holds for shares near 0 and 1 and for small n, where the normal approximation fails.

    Raises:
        ConfigError: not `0 <= k <= n` with n >= 1, or `confidence` outside (0, 1).

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> low, high = wilson_interval(0, 20)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.1611)
    """
    if not (n >= 1 and 0 <= k <= n) or not 0.0 < confidence < 1.0:
        raise ConfigError(f"expected 0 <= k <= n, n >= 1 and confidence in (0, 1), got {k}, {n} and {confidence}")
    z2 = float(stats.norm.isf((1.0 - confidence) / 2.0)) ** 2
    share = k / n
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At k = 0 and k = n a bound is exactly 0 or 1; rounding must not move it outside [0, 1].
    return (0.0 if k == 0 else center - half), (1.0 if k == n else center + half)


def _check_probabilities(probabilities: Tensor, labels: Tensor) -> None:
    n = len(labels)
    if probabilities.ndim != 2 or probabilities.shape[0] != n or labels.shape != (n,) or n == 0:
        raise ShapeError(
            f"expected probabilities (n, C) and labels (n,) with n >= 1, "
            f"got {tuple(probabilities.shape)} and {tuple(labels.shape)}"
        )
    check_labels(labels, probabilities.shape[1])
    check_finite(probabilities, "probabilities")
    if probabilities.amin() < 0.0 or not torch.allclose(
        probabilities.double().sum(-1), torch.ones(n, dtype=torch.float64, device=labels.device), atol=1e-2
    ):
        raise ShapeError("expected rows of probabilities that sum to one; pass softmax(logits), not logits")
