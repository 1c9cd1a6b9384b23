"""Losses on the energy of the logits: VOS's learned one, and the hinges of energy-bounded learning."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer, at_least_float32
from vos.losses.networks import MLP_WIDTH, linear, mlp, two_way
from vos.scores import energy, weighted_energy


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
            self.phi = linear(torch.tensor([[-0.5], [0.5]]))
        elif phi == "mlp":
            self.phi = mlp(1, MLP_WIDTH, 2, seed)
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
        return two_way(self.phi, self.negative_energy(logits)[:, None], target)


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
