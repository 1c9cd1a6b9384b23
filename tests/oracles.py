"""Slow, literal versions of what the package computes. They import nothing from it, and each cites its source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats


def naive_ledoit_wolf(x: np.ndarray) -> np.ndarray:
    """Ledoit and Wolf 2004, section 3.2, on centred rows: sums over samples, nothing blocked."""
    n, d = x.shape
    sample = x.T @ x / n
    mu = np.trace(sample) / d
    delta = ((sample - mu * np.eye(d)) ** 2).sum() / d
    beta = sum(((np.outer(row, row) - sample) ** 2).sum() / d for row in x) / n**2
    shrinkage = min(beta, delta) / delta
    return (1 - shrinkage) * sample + shrinkage * mu * np.eye(d)


def naive_oas(x: np.ndarray) -> np.ndarray:
    """Chen et al. 2010, equation (23), with 1 - 2/d taken as 1 as scikit-learn does."""
    n, d = x.shape
    sample = x.T @ x / n
    mu = np.trace(sample) / d
    alpha = (sample**2).mean()
    numerator, denominator = alpha + mu**2, (n + 1) * (alpha - mu**2 / d)
    shrinkage = 1.0 if denominator == 0 else min(numerator / denominator, 1.0)
    return (1 - shrinkage) * sample + shrinkage * mu * np.eye(d)


def naive_mahalanobis(h: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(h - μ)ᵀ Σ⁻¹ (h - μ), one text and one class at a time."""
    out = np.empty((len(h), len(means)))
    for i, c in itertools.product(range(len(h)), range(len(means))):
        r = h[i] - means[c]
        out[i, c] = r @ np.linalg.solve(covariances[c], r)
    return out


def naive_tail(
    mean: torch.Tensor, cholesky: torch.Tensor, n_draws: int, keep: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The algorithm of VOS, `train_virtual.py:227-236`: draw all, keep the least likely. Points and squared radii."""
    z = torch.randn(n_draws, len(mean), generator=generator, dtype=mean.dtype)
    draws = mean + z @ cholesky.mT
    density = torch.distributions.MultivariateNormal(mean, scale_tril=cholesky, validate_args=False)
    chosen = (-density.log_prob(draws)).topk(keep).indices
    return draws[chosen], z[chosen].square().sum(-1)


def rejected_at_margin(
    mean: torch.Tensor,
    cholesky: torch.Tensor,
    normal: torch.Tensor,
    offset: float,
    margin: float,
    tolerance: float,
    n_draws: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draws of a Gaussian whose margin falls within `tolerance` of `margin`, by rejection."""
    z = torch.randn(n_draws, len(mean), generator=generator, dtype=mean.dtype)
    draws = mean + z @ cholesky.mT
    return draws[(draws @ normal + offset - margin).abs() <= tolerance]


def naive_fpr_at_tpr(id_scores: list[float], ood_scores: list[float], tpr: float) -> float:
    """ODIN, metric (1), by trying every threshold: the smallest that accepts `tpr` of ID texts."""
    for t in sorted(id_scores):
        if sum(s <= t for s in id_scores) / len(id_scores) >= tpr:
            return sum(s <= t for s in ood_scores) / len(ood_scores)
    raise AssertionError("the largest score accepts all")


def naive_fpr_at_tpr_ood(id_scores: list[float], ood_scores: list[float], tpr: float) -> float:
    """OpenOOD: OOD is positive; the largest threshold that catches `tpr` of it."""
    for t in sorted(ood_scores, reverse=True):
        if sum(s >= t for s in ood_scores) / len(ood_scores) >= tpr:
            return sum(s >= t for s in id_scores) / len(id_scores)
    raise AssertionError("the smallest score catches all")


def naive_auroc(id_scores: list[float], ood_scores: list[float]) -> float:
    """Mann and Whitney: all pairs, ties by half."""
    wins = sum((o > i) + 0.5 * (o == i) for i in id_scores for o in ood_scores)
    return wins / (len(id_scores) * len(ood_scores))


def naive_average_precision(id_scores: list[float], ood_scores: list[float]) -> float:
    """Σ (R_k - R_{k-1}) P_k over falling thresholds, OOD positive."""
    total, recall_before = 0.0, 0.0
    for t in sorted({*id_scores, *ood_scores}, reverse=True):
        caught, wrong = sum(s >= t for s in ood_scores), sum(s >= t for s in id_scores)
        recall = caught / len(ood_scores)
        total += (recall - recall_before) * caught / (caught + wrong)
        recall_before = recall
    return total


def naive_calibration_error(probabilities: list[list[float]], labels: list[int], bins: int) -> float:
    """Guo et al. 2017, equation (3), bin by bin."""
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        # The first bin is closed at zero, a confidence that C >= 1 classes cannot have anyway.
        members = [i for i, p in enumerate(probabilities) if low < max(p) <= high]
        if members:
            right = sum(probabilities[i].index(max(probabilities[i])) == labels[i] for i in members)
            total += abs(right - sum(max(probabilities[i]) for i in members)) / len(labels)
    return total


def naive_brier(probabilities: list[list[float]], labels: list[int]) -> float:
    """Brier 1950, halved."""
    return sum(
        0.5 * sum((p - (c == y)) ** 2 for c, p in enumerate(row)) for row, y in zip(probabilities, labels, strict=True)
    ) / len(labels)


def naive_knn(features: np.ndarray, bank: np.ndarray, k: int) -> list[float]:
    """Distances to all rows, sorted, the k-th taken."""
    return [sorted(float(np.sqrt(((row - other) ** 2).sum())) for other in bank)[k - 1] for row in features]


def naive_weighted_energy(logits: list[float], weights: list[float]) -> float:
    """`log Σ_c relu(w_c) exp(x_c)` in plain arithmetic (VOS, `train_virtual.py:161-176`)."""
    return math.log(sum(max(w, 0.0) * math.exp(x) for x, w in zip(logits, weights, strict=True)))


def naive_energy_uncertainty(
    logits: list[list[float]],
    outlier_logits: list[list[float]],
    weights: list[float],
    phi_weight: list[float],
    phi_bias: list[float],
) -> float:
    """The uncertainty loss of Du et al. 2022, the two sides averaged on their own."""

    def side(rows: list[list[float]], target: int) -> float:
        losses = []
        for row in rows:
            e = naive_weighted_energy(row, weights)
            scores = [phi_weight[t] * e + phi_bias[t] for t in (0, 1)]
            losses.append(-math.log(math.exp(scores[target]) / sum(math.exp(s) for s in scores)))
        return sum(losses) / len(losses)

    return 0.5 * (side(logits, 1) + side(outlier_logits, 0))


def naive_flattening(
    logits: list[list[float]], labels: list[int], outlier_logits: list[list[float]], id_margin: float
) -> float:
    """KL(uniform ‖ softmax) of outliers and the squared hinge of texts, term by term."""
    divergence = []
    for row in outlier_logits:
        total = sum(math.exp(x) for x in row)
        divergence.append(sum(math.log((1 / len(row)) / (math.exp(x) / total)) / len(row) for x in row))
    hinge = []
    for row, y in zip(logits, labels, strict=True):
        margin = row[y] - max(x for c, x in enumerate(row) if c != y)
        hinge.append(max(0.0, id_margin - margin) ** 2)
    return 0.5 * (sum(hinge) / len(hinge) + sum(divergence) / len(divergence))


def naive_energy_margin(
    logits: list[list[float]], outlier_logits: list[list[float]], m_in: float, m_out: float
) -> float:
    """Energy-bounded learning of Liu et al. 2020, text by text, the two sides halved."""

    def energy(row: list[float]) -> float:
        return -math.log(sum(math.exp(x) for x in row))

    inside = [max(0.0, energy(row) - m_in) ** 2 for row in logits]
    outside = [max(0.0, m_out - energy(row)) ** 2 for row in outlier_logits]
    return 0.5 * (sum(inside) / len(inside) + sum(outside) / len(outside))


def naive_extra_class(
    logits: list[list[float]],
    labels: list[int],
    outlier_logits: list[list[float]],
    extra: list[float],
    outlier_extra: list[float],
) -> float:
    """Cross-entropy over C + 1 logits, text by text, the two sides averaged on their own (DCLOOS)."""

    def mean_loss(rows: list[list[float]], targets: list[int]) -> float:
        losses = [-math.log(math.exp(r[t]) / sum(math.exp(x) for x in r)) for r, t in zip(rows, targets, strict=True)]
        return sum(losses) / len(losses)

    texts = [[*row, x] for row, x in zip(logits, extra, strict=True)]
    outliers = [[*row, x] for row, x in zip(outlier_logits, outlier_extra, strict=True)]
    return 0.5 * (mean_loss(texts, labels) + mean_loss(outliers, [len(logits[0])] * len(outliers)))


def naive_vim(
    train: np.ndarray, weight: np.ndarray, bias: np.ndarray, n_principal: int, features: np.ndarray
) -> np.ndarray:
    """ViM of Wang et al. 2022, with an explicit pseudo-inverse and the virtual logit's probability."""
    origin = -np.linalg.pinv(weight) @ bias
    values, vectors = np.linalg.eig((train - origin).T @ (train - origin))
    order = np.argsort(values.real)[::-1]
    rest = vectors.real[:, order[n_principal:]]

    def virtual(h: np.ndarray) -> np.ndarray:
        return np.linalg.norm((h - origin) @ rest, axis=1)

    alpha = (train @ weight.T + bias).max(1).mean() / virtual(train).mean()
    exponentials = np.exp(np.column_stack([features @ weight.T + bias, alpha * virtual(features)]))
    return exponentials[:, -1] / exponentials.sum(1)


def ks_critical(n: int, m: int, failure_rate: float) -> float:
    """Two-sample Kolmogorov-Smirnov distance exceeded with at most this probability (Smirnov's asymptotic bound)."""
    return math.sqrt(-0.5 * math.log(failure_rate / 2)) * math.sqrt((n + m) / (n * m))


def ks_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    """Largest gap between two empirical distribution functions."""
    return float(stats.ks_2samp(x.numpy(), y.numpy()).statistic)


def rejected_at_values(
    mean: torch.Tensor,
    cholesky: torch.Tensor,
    statistic: Callable[[torch.Tensor], torch.Tensor],
    tolerance: float,
    n_draws: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draws of a Gaussian whose statistics (n, K) are all within `tolerance` of zero, by rejection."""
    z = torch.randn(n_draws, len(mean), generator=generator, dtype=mean.dtype)
    draws = mean + z @ cholesky.mT
    return draws[(statistic(draws).abs() <= tolerance).all(-1)]


def naive_boundary_rows(features: np.ndarray, members: list[int], k: int, n: int) -> list[int]:
    """NPOS (Tao et al. 2023): members by the distance to their k-th other text, farthest first."""

    def distance(i: int) -> float:
        return sorted(float(np.linalg.norm(features[i] - other)) for j, other in enumerate(features) if j != i)[k - 1]

    return sorted(members, key=distance, reverse=True)[:n]


def naive_farthest(points: np.ndarray, features: np.ndarray, k: int) -> list[int]:
    """NPOS (Tao et al. 2023): for each row of candidates the place of the one whose k-th text is farthest."""
    return [
        max(range(len(row)), key=lambda j: sorted(float(np.linalg.norm(row[j] - text)) for text in features)[k - 1])
        for row in points
    ]
