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
from abc import ABC, abstractmethod
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from vos.errors import ConfigError, ShapeError
from vos.scores import energy, weighted_energy

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


class OutlierRegularizer(nn.Module, ABC):
    """A loss with a text side and an outlier side of equal weight; see `OutlierLoss`.

    Both sides are computed in float32 at least, whatever autocast says: energies and hinges of half-precision logits
    lose the digits that the loss is about.
    """

    def __init__(self, n_classes: int, at_least: int = 1) -> None:
        super().__init__()
        if n_classes < at_least:
            raise ConfigError(f"loss: expected at least {at_least} classes, got {n_classes}")
        self.n_classes = n_classes

    def forward(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """See `OutlierLoss`."""
        check_batch(self.n_classes, logits, features, labels, outlier_logits, outlier_features)
        with torch.autocast(logits.device.type, enabled=False):
            texts = self.text_side(at_least_float32(logits), at_least_float32(features), labels)
            outliers = self.outlier_side(at_least_float32(outlier_logits), at_least_float32(outlier_features))
            return 0.5 * (texts + outliers)

    @abstractmethod
    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of the texts, a scalar."""

    @abstractmethod
    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:
        """Mean loss of the outliers, a scalar."""


class EnergyUncertainty(OutlierRegularizer):
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

    Source: Du et al. 2022; `train_virtual.py:161-196`, which averages texts and outliers together,
    so that 128 texts outweigh 10 outliers.
    """

    def __init__(self, n_classes: int, phi: Literal["linear", "mlp"] = "linear", seed: int = 0) -> None:
        super().__init__(n_classes)
        self.class_weights = nn.Parameter(torch.ones(n_classes))
        self.phi: nn.Module
        if phi == "linear":
            self.phi = _linear(torch.tensor([[-0.5], [0.5]]))
        elif phi == "mlp":
            self.phi = _mlp(1, MLP_WIDTH, 2, seed)
        else:
            raise ConfigError(f"loss.phi: expected linear or mlp, got {phi!r}")

    def negative_energy(self, logits: Tensor) -> Tensor:
        """`log Σ_c relu(w_c) exp(x_c)`: (n,) of logits (n, C)."""
        return -weighted_energy(at_least_float32(logits), self.class_weights)

    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of `φ(E)` against 1."""
        return self._side(logits, 1)

    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of `φ(E)` against 0."""
        return self._side(logits, 0)

    def _side(self, logits: Tensor, target: int) -> Tensor:
        return _two_way(self.phi, self.negative_energy(logits)[:, None], target)


class EnergyMargin(OutlierRegularizer):
    """Squared hinges that hold the energy of texts below one mark and that of outliers above another.

    Texts `relu(E - m_in)²`, outliers `relu(m_out - E)²`, with the energy `E = -logsumexp(x)`.

    Args:
        n_classes: C.
        m_in: texts below this energy cost nothing, logit units.
        m_out: outliers above this energy cost nothing; not below `m_in`.

    Raises:
        ConfigError: `m_out < m_in`, or fewer than one class.

    Source: Liu et al. 2020, energy-bounded learning; `CIFAR/train.py` of their code has m_in -25 and m_out -7 and a sum
    in place of our mean of both sides. Energies of text heads have another scale: look at yours first.
    """

    def __init__(self, n_classes: int, m_in: float, m_out: float) -> None:
        super().__init__(n_classes)
        if not m_in <= m_out:
            raise ConfigError(f"loss: expected m_in <= m_out, got m_in={m_in} m_out={m_out}")
        self.m_in, self.m_out = m_in, m_out

    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Hinge above `m_in`."""
        return functional.relu(energy(logits) - self.m_in).square().mean()

    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Hinge below `m_out`."""
        return functional.relu(self.m_out - energy(logits)).square().mean()


class BoundaryFlattening(OutlierRegularizer):
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
        super().__init__(n_classes, at_least=2)
        if not 0.0 <= id_margin < math.inf:
            raise ConfigError(f"loss.id_margin: expected a number >= 0, got {id_margin}")
        self.id_margin = id_margin

    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Hinge below `id_margin`."""
        own = logits.gather(1, labels[:, None])
        rival = logits.scatter(1, labels[:, None], -math.inf).amax(-1, keepdim=True)
        return functional.relu(self.id_margin - (own - rival)).square().mean()

    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Divergence from uniform."""
        return (logits.logsumexp(-1) - logits.mean(-1)).mean() - math.log(self.n_classes)


class FeatureUncertainty(OutlierRegularizer):
    """An MLP on the features tells texts from outliers: it sees what a head of few classes cannot.

    Two-way cross-entropy with texts as 1 and outliers as 0. The encoder learns from the text side alone.

    Args:
        n_classes: C.
        n_features: d.
        width: hidden units.
        seed: of the random weights; the global random state is not used.

    Attributes:
        mlp: maps features (n, d) to logits (n, 2), outlier first.

    Raises:
        ConfigError: a size below one.

    Source: NPOS, `CLIP_ft.py:190` (512-32-1 on features).
    """

    def __init__(self, n_classes: int, n_features: int, width: int = MLP_WIDTH, seed: int = 0) -> None:
        super().__init__(n_classes)
        if n_features < 1 or width < 1:
            raise ConfigError(f"loss: expected n_features and width >= 1, got {n_features} and {width}")
        self.mlp = _mlp(n_features, width, 2, seed)

    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the MLP against 1."""
        return _two_way(self.mlp, features, 1)

    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the MLP against 0."""
        return _two_way(self.mlp, features, 0)


class ExtraClass(OutlierRegularizer):
    """One more class for outliers: cross-entropy over C + 1 logits, the last one linear in the features.

    Args:
        n_classes: C.
        n_features: d.

    Attributes:
        outlier_logit: maps features (n, d) to the logit (n, 1) of the class of outliers; starts at zero.

    Raises:
        ConfigError: a size below one.

    Source: Zhan et al. 2021 (DCLOOS), the (K+1)-way classifier for convex mixes; there both sides are averaged
    together.
    """

    def __init__(self, n_classes: int, n_features: int) -> None:
        super().__init__(n_classes)
        if n_features < 1:
            raise ConfigError(f"loss: expected n_features >= 1, got {n_features}")
        self.outlier_logit = _linear(torch.zeros(1, n_features))

    def text_side(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy against the own class."""
        return functional.cross_entropy(self.all_logits(logits, features), labels)

    def outlier_side(self, logits: Tensor, features: Tensor) -> Tensor:
        """Cross-entropy against the extra class."""
        target = torch.full_like(logits[:, 0], self.n_classes, dtype=torch.int64)
        return functional.cross_entropy(self.all_logits(logits, features), target)

    def all_logits(self, logits: Tensor, features: Tensor) -> Tensor:
        """Logits (n, C + 1) of logits (n, C) and features (n, d)."""
        last: Tensor = self.outlier_logit(features.to(self.outlier_logit.weight.dtype))
        return torch.cat([logits, last.to(logits.dtype)], -1)


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


def _two_way(classifier: nn.Module, inputs: Tensor, target: int) -> Tensor:
    dtype = next(classifier.parameters()).dtype
    scores = at_least_float32(classifier(inputs.to(dtype)))
    return functional.cross_entropy(scores, torch.full_like(scores[:, 0], target, dtype=torch.int64))


def _linear(weight: Tensor) -> nn.Linear:
    # skip_init: the default initialisation would draw from the global generator, only to be overwritten.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer


def _mlp(n_in: int, n_hidden: int, n_out: int, seed: int) -> nn.Sequential:
    """He-initialised MLP with one hidden layer; the biases of the first layer spread its hinges over [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    first = _linear(torch.randn(n_hidden, n_in, generator=generator) * math.sqrt(2.0 / n_in))
    last = _linear(torch.randn(n_out, n_hidden, generator=generator) * math.sqrt(1.0 / n_hidden))
    with torch.no_grad():
        first.bias.uniform_(-1.0, 1.0, generator=generator)
    return nn.Sequential(first, nn.ReLU(), last)
