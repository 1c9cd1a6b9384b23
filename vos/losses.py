"""Regularisers on texts and virtual outliers, all with the signature of `OutlierLoss`.

The outliers are drawn without gradient, so the outlier side of a loss moves the head and the loss's own parameters; the
text side moves the encoder too. Each side is averaged on its own and the two halves weigh the same, whatever the
number of outliers.

Why outliers are drawn in a band and not exactly on the boundary: flattening pulls the softmax of an outlier towards
uniform. For two classes its value is `log cosh(m/2)` in the margin `m` alone, with the derivative `tanh(m/2) / 2`: zero
at `m = 0`. A point drawn at margin 0 is already where the loss wants it, and exerts no force until a later step has
moved the boundary away from it. Points drawn in a band `|m| <= β` are pulled to the boundary from both sides, and it is
they that lower the slope of the head across it. The energy loss is blind to margins near 0 in its own way: there
the energy of two classes changes with the sum of the logits, and not with their difference.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from vos.errors import ConfigError, ShapeError

MLP_WIDTH = 512
"""Hidden units of φ as an MLP, as in Dream-OOD (`train_ood_det_in100.py:238-242`)."""


class OutlierLoss(Protocol):
    """What a training step calls."""

    def __call__(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """Loss of one batch.

        Args:
            logits: (b, C) of the texts.
            features: (b, d) of the texts.
            labels: (b,) int64 in [0, C).
            outlier_logits: (m, C).
            outlier_features: (m, d).

        Returns:
            scalar, at least float32.

        Raises:
            ShapeError: shapes are not these, or a side is empty.
        """
        ...


class EnergyUncertainty(nn.Module):
    """The uncertainty loss of VOS: a classifier φ on a weighted energy tells texts from outliers.

    `E(x) = log Σ_c relu(w_c) exp(x_c)`, two-way cross-entropy of `φ(E)` with texts as 1 and outliers as 0. Weights
    start at one, that is, at minus the free energy; linear φ starts as `logit_text - logit_outlier = E`.

    Args:
        n_classes: C.
        phi: "linear" (1 -> 2, the paper's) or "mlp" (1 -> 512 -> 2, Dream-OOD's).
        seed: of the MLP's random weights; the global random state is not used.

    Attributes:
        class_weights: (C,) `w`. Those at or below zero count as zero; were all of them so, all count as one.
        phi: maps energies (n, 1) to logits (n, 2), outlier first.

    Raises:
        ConfigError: another `phi`, or fewer than one class.

    Source: Du et al. 2022, equation (6); `train_virtual.py:161-196`, which averages texts and outliers together,
    so that 128 texts outweigh 10 outliers.
    """

    def __init__(self, n_classes: int, phi: Literal["linear", "mlp"] = "linear", seed: int = 0) -> None:
        super().__init__()
        if n_classes < 1:
            raise ConfigError(f"expected at least one class, got {n_classes}")
        self.n_classes = n_classes
        self.class_weights = nn.Parameter(torch.ones(n_classes))
        self.phi: nn.Module
        if phi == "linear":
            self.phi = _linear(torch.tensor([[-0.5], [0.5]]))
        elif phi == "mlp":
            self.phi = _mlp(1, MLP_WIDTH, 2, torch.Generator().manual_seed(seed))
        else:
            raise ConfigError(f"loss.phi: expected linear or mlp, got {phi!r}")

    def forward(
        self,
        logits: Tensor,
        features: Tensor,
        labels: Tensor,
        outlier_logits: Tensor,
        outlier_features: Tensor,
    ) -> Tensor:
        """See `OutlierLoss`; features and labels are checked and not used."""
        check_batch(self.n_classes, logits, features, labels, outlier_logits, outlier_features)
        with torch.autocast(logits.device.type, enabled=False):
            return 0.5 * (self._half(logits, 1) + self._half(outlier_logits, 0))

    def negative_energy(self, logits: Tensor) -> Tensor:
        """`log Σ_c relu(w_c) exp(x_c)`: (n,) of logits (n, C)."""
        positive = self.class_weights > 0.0
        active = positive | ~positive.any()
        weights = torch.where(positive, self.class_weights, torch.ones_like(self.class_weights))
        return torch.logsumexp((at_least_float32(logits) + weights.log()).masked_fill(~active, -math.inf), -1)

    def _half(self, logits: Tensor, target: int) -> Tensor:
        energies = self.negative_energy(logits)[:, None].to(self.class_weights.dtype)
        scores = at_least_float32(self.phi(energies))
        return functional.cross_entropy(scores, torch.full_like(scores[:, 0], target, dtype=torch.int64))


class BoundaryFlattening(nn.Module):
    """No confidence on outliers, a margin on texts.

    Outliers: `KL(uniform ‖ softmax(x)) = logsumexp(x) - mean(x) - log C`, zero for equal logits. Texts:
    `relu(id_margin - m)²` with `m` the logit of the true class less that of its best rival, which keeps the flattened
    region from spreading over them.

    Args:
        n_classes: C, at least two.
        id_margin: margin asked of texts, logit units, not negative.

    Raises:
        ConfigError: fewer than two classes, or a negative `id_margin`.

    Source: the outlier side is the confidence loss of Lee et al. 2018 (equation 1) and Hendrycks et al. 2019 (Outlier
    Exposure); the text side is ours.
    """

    def __init__(self, n_classes: int, id_margin: float) -> None:
        super().__init__()
        if n_classes < 2 or not 0.0 <= id_margin < math.inf:
            raise ConfigError(f"expected two classes or more and a margin >= 0, got {n_classes} and {id_margin}")
        self.n_classes = n_classes
        self.id_margin = id_margin

    def forward(
        self,
        logits: Tensor,
        features: Tensor,
        labels: Tensor,
        outlier_logits: Tensor,
        outlier_features: Tensor,
    ) -> Tensor:
        """See `OutlierLoss`; features are checked and not used."""
        check_batch(self.n_classes, logits, features, labels, outlier_logits, outlier_features)
        logits, outlier_logits = at_least_float32(logits), at_least_float32(outlier_logits)
        flat = outlier_logits.logsumexp(-1) - outlier_logits.mean(-1) - math.log(self.n_classes)
        own = logits.gather(1, labels[:, None])
        rival = logits.scatter(1, labels[:, None], -math.inf).amax(-1, keepdim=True)
        hinge = functional.relu(self.id_margin - (own - rival)).square()
        return 0.5 * (hinge.mean() + flat.mean())


def at_least_float32(logits: Tensor) -> Tensor:
    """Half-precision logits as float32; float32 and float64 as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def check_batch(
    n_classes: int, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
) -> None:
    """Refuse a batch that is not what `OutlierLoss` documents.

    Raises:
        ShapeError: shapes differ from the documented ones, or a side is empty.
    """
    b, m = len(logits), len(outlier_logits)
    d = features.shape[-1]
    found = [tuple(t.shape) for t in (logits, features, labels, outlier_logits, outlier_features)]
    if found != [(b, n_classes), (b, d), (b,), (m, n_classes), (m, d)] or b == 0 or m == 0:
        raise ShapeError(
            f"expected logits (b, {n_classes}), features (b, d), labels (b,), outlier_logits (m, {n_classes}) and "
            f"outlier_features (m, d) with b, m >= 1, got {found}"
        )


def _linear(weight: Tensor) -> nn.Linear:
    # skip_init: the default initialisation would draw from the global generator, only to be overwritten.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer


def _mlp(n_in: int, n_hidden: int, n_out: int, generator: torch.Generator) -> nn.Sequential:
    """He-initialised MLP with one hidden layer; the biases of the first layer spread its hinges over [-1, 1]."""
    first = _linear(torch.randn(n_hidden, n_in, generator=generator) * math.sqrt(2.0 / n_in))
    last = _linear(torch.randn(n_out, n_hidden, generator=generator) * math.sqrt(1.0 / n_hidden))
    with torch.no_grad():
        first.bias.uniform_(-1.0, 1.0, generator=generator)
    return nn.Sequential(first, nn.ReLU(), last)
