"""OOD scores: one number a text, higher = more out-of-distribution, always.

Scores of logits keep their dtype and device; scores of features are float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.neighbors import kth_distance
from vos.density.state import FixedPrecision
from vos.errors import ConfigError, NotFittedError, ShapeError
from vos.types import LinearHead


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


def weighted_energy(logits: Tensor, weights: Tensor) -> Tensor:
    """Free energy with a weight for every class, `-log Σ_c relu(w_c) exp(x_c)`: (n,) of logits (n, C), weights (C,).

    A class of weight zero or less does not count, however large its logit. Were all of them so, all count as one: the
    energy is the plain one, and stays finite.

    Raises:
        ShapeError: shapes are not these.

    Source: Du et al. 2022 (VOS); `train_virtual.py:161-176` returns the negative, and takes log 0 where a class of
    weight zero has by far the largest logit.
    """
    _check_rows(logits, "logits (n, C)")
    if weights.shape != logits.shape[1:]:
        raise ShapeError(f"expected weights ({logits.shape[1]},), got {tuple(weights.shape)}")
    positive = weights > 0.0
    active = positive | ~positive.any()
    finite = torch.where(positive, weights, torch.ones_like(weights))  # no log of zero, whose gradient is NaN
    return -torch.logsumexp((logits + finite.log()).masked_fill(~active, -math.inf), -1)


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

    Source: Ren et al. 2021, "A simple fix to Mahalanobis distance for improving near-OOD detection".
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
    return kth_distance(features, bank, k)


def standardized_sum(scores: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Sum of several scores of the same texts, each in standard deviations of ID texts: (n,) float64.

    Args:
        scores: at least one, (n,) each.
        references: for each, the same score of ID texts (m,), m >= 1; only their means and deviations enter. A score
            that is the same for all of them is not scaled.

    Raises:
        ShapeError: no score, an empty reference, or another number of references.

    Source: ours. Scores that fail on different texts add up: a fine-tuned energy and the nearest neighbour in the
    features of the encoder before training, which still hold what training for the classes let go of.
    """
    if not scores or len(scores) != len(references) or not all(len(reference) for reference in references):
        raise ShapeError(
            f"expected a reference of at least one ID text for each of at least one score, got {len(scores)} scores, "
            f"and references of {[len(reference) for reference in references]} texts"
        )
    parts = []
    for score, reference in zip(scores, references, strict=True):
        known = reference.double()
        deviation = known.std(correction=0)
        parts.append((score.double() - known.mean()) / torch.where(deviation > 0.0, deviation, 1.0))
    return torch.stack(parts).sum(0)


class ViM(FixedPrecision):
    """Virtual-logit matching: the part of a feature outside the principal space of the texts, as one more logit.

    `score = α ‖(h - o) R‖ - logsumexp(logits)`, with `o` the point where all logits are zero (in least squares), `R`
    the directions beyond the `n_principal` leading ones of the texts around `o`, and `α` such that the virtual logit
    has the mean of the largest logits of the texts. A monotone map of the paper's probability of the virtual logit.

    Args:
        n_features: d.
        n_principal: leading directions that are left out, in [1, d); by default the paper's 1,000 for d >= 1,500, 512
            for d >= 768, else half of d.

    Attributes:
        origin: `o`, (d,) float64.
        residual: `R`, (d, d - n_principal) float64 with orthonormal columns.
        scale: `α`, () float64.
        fitted: () bool.

    Raises:
        ConfigError: `n_principal` outside [1, d).

    Source: Wang et al. 2022, "ViM: Out-of-distribution with virtual-logit matching".
    """

    origin: Tensor
    residual: Tensor
    scale: Tensor
    fitted: Tensor

    def __init__(self, n_features: int, n_principal: int | None = None) -> None:
        super().__init__()
        if n_principal is None:
            n_principal = 1000 if n_features >= 1500 else 512 if n_features >= 768 else n_features // 2
        if not 1 <= n_principal < n_features:
            raise ConfigError(f"ViM: expected n_principal in [1, {n_features}), got {n_principal}")
        self.register_buffer("origin", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("residual", torch.zeros(n_features, n_features - n_principal, dtype=torch.float64))
        self.register_buffer("scale", torch.zeros((), dtype=torch.float64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, features: Tensor, head: LinearHead) -> Self:
        """Fit to ID features (n, d) and the head that reads them; returns self.

        Raises:
            ShapeError: features are not (n, d).
        """
        self._check(features)
        h, weight, bias = features.to(self.origin), head.weight.to(self.origin), head.bias.to(self.origin)
        # Least squares of smallest norm; gelsd is the driver that allows dependent rows, and runs on the CPU alone.
        solution = torch.linalg.lstsq(weight.cpu(), -bias.cpu()[:, None], driver="gelsd").solution[:, 0]
        self.origin.copy_(solution)
        centered = h - self.origin
        vectors = torch.linalg.eigh(centered.mT @ centered).eigenvectors  # ascending
        self.residual.copy_(vectors[:, : self.residual.shape[1]])
        virtual = (centered @ self.residual).norm(dim=-1)
        self.scale.copy_((h @ weight.mT + bias).amax(-1).mean() / virtual.mean())
        self.fitted.fill_(True)
        return self

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Score (n,) float64 of features (n, d) and their logits (n, C).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: features are not (n, d), or logits not (n, C).
        """
        self._check(features)
        _check_rows(logits, "logits (n, C)")
        if not self.fitted:
            raise NotFittedError("ViM: call fit(features, head) first")
        virtual = self.scale * ((features.to(self.origin) - self.origin) @ self.residual).norm(dim=-1)
        score: Tensor = virtual - torch.logsumexp(logits.to(self.origin), -1)
        return score

    def _check(self, features: Tensor) -> None:
        if features.ndim != 2 or features.shape[1] != len(self.origin):
            raise ShapeError(f"expected features (n, {len(self.origin)}), got {tuple(features.shape)}")


def _check_rows(values: Tensor, expected: str) -> None:
    if values.ndim != 2 or values.shape[1] == 0 or not values.is_floating_point():
        raise ShapeError(f"expected float {expected}, got {tuple(values.shape)} {values.dtype}")
