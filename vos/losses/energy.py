"""Losses on the energy of the logits: the learned one of VOS, and the hinges of energy-bounded learning."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from vos.density.checks import at_least_float32, check_finite
from vos.density.precision import FixedPrecision
from vos.errors import ConfigError, NotFittedError, ShapeError
from vos.losses.base import OutlierRegularizer
from vos.losses.networks import MLP_WIDTH, linear, mlp, two_way
from vos.scores import energy, weighted_energy


class EnergyUncertainty(OutlierRegularizer):
    """The uncertainty loss of VOS: a classifier φ on a weighted energy separates texts from outliers.

    With the energy `E(x) = -log Σ_c relu(w_c) exp(x_c)`, two-way cross-entropy of `φ(-E)` with texts as 1 and outliers
    as 0. Weights start at one, where `E` is the energy of `EnergyMargin` and of `vos.scores`; linear φ starts as
    `logit_text - logit_outlier = -E`.

    Args:
        n_classes: C.
        phi: "linear" (1 -> 2, the paper's) or "mlp" (1 -> 512 -> 2, Dream-OOD's).
        seed: seed of the MLP's random weights; the global random state is not used.

    Attributes:
        class_weights: (C,) `w`. Weights at or below zero count as zero; if all are, all count as one. NaN makes the
            loss NaN.
        phi: maps negative energies (n, 1) to logits (n, 2), outlier first.

    Raises:
        ConfigError: another `phi`, or fewer than one class.

    Source: Du et al. 2022; `train_virtual.py:161-196`, which calls the negative of `E` the energy, and averages texts
    and outliers together, so that 128 texts outweigh 10 outliers.
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
        """`-E(x) = log Σ_c relu(w_c) exp(x_c)`: (n,) of logits (n, C)."""
        return -weighted_energy(at_least_float32(logits), self.class_weights)

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of `φ(-E)` against 1."""
        return two_way(self.phi, self.negative_energy(logits)[:, None], 1)

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of `φ(-E)` against 0."""
        return two_way(self.phi, self.negative_energy(logits)[:, None], 0)


class EnergyMargin(OutlierRegularizer, FixedPrecision):
    """Squared hinges that keep the energy of texts below one threshold and that of outliers above another.

    Texts `relu(E - m_in)²`, outliers `relu(m_out - E)²` times `outlier_weight`, with the energy `E = -logsumexp(x)`.

    The scale of energies differs between data sets, so a threshold that is not given is set once to a quantile of the
    energies of the training texts (`calibrate`), or of the first batch if `calibrate` was not called.

    Args:
        n_classes: C.
        m_in: texts below this energy have zero loss, logit units; None calibrates it.
        m_out: outliers above this energy have zero loss, at least `m_in`; None calibrates it.
        in_quantile: quantile of the training texts' energies to use if `m_in` is None.
        out_quantile: the same for `m_out`.
        outlier_weight: weight of the outlier term; 0 leaves only the hinge on texts.

    Attributes:
        thresholds: (2,) float64 buffer, `m_in` and `m_out`; NaN until calibrated. Casting the loss does not change its
            dtype.

    Raises:
        ConfigError: `m_out < m_in`, quantiles outside [0, 1] or `out_quantile < in_quantile`, a negative weight, or
            fewer than one class.

    Source: Liu et al. 2020, energy-bounded learning; `CIFAR/train.py` of their code has m_in -25 and m_out -7, and the
    sum of both terms where we take the mean. Calibrated thresholds and the hinge on texts alone are ours.
    """

    thresholds: Tensor

    def __init__(
        self,
        n_classes: int,
        m_in: float | None = None,
        m_out: float | None = None,
        in_quantile: float = 0.5,
        out_quantile: float = 0.99,
        outlier_weight: float = 1.0,
    ) -> None:
        super().__init__(n_classes)
        if m_in is not None and m_out is not None and not m_in <= m_out:
            raise ConfigError(f"loss: expected m_in <= m_out, got m_in={m_in} m_out={m_out}")
        if not 0.0 <= in_quantile <= out_quantile <= 1.0 or not outlier_weight >= 0.0:
            raise ConfigError(
                "loss: expected 0 <= in_quantile <= out_quantile <= 1 and outlier_weight >= 0, got "
                f"in_quantile={in_quantile} out_quantile={out_quantile} outlier_weight={outlier_weight}"
            )
        self.quantiles = (in_quantile, out_quantile)
        self.outlier_weight = outlier_weight
        given = [math.nan if each is None else each for each in (m_in, m_out)]
        self.register_buffer("thresholds", torch.tensor(given, dtype=torch.float64))

    def extra_repr(self) -> str:
        """The thresholds, for `print(module)`."""
        return ", ".join(f"{name}={value:.4g}" for name, value in zip(("m_in", "m_out"), self.thresholds, strict=True))

    @property
    def is_calibrated(self) -> bool:
        """Whether both thresholds are set."""
        return not bool(self.thresholds.isnan().any())

    @torch.no_grad()
    def calibrate(self, logits: Tensor) -> None:
        """Compute the thresholds that are not given from the logits (n, C) of the training texts, n >= 1.

        If an error is raised, the thresholds are unchanged.

        Raises:
            ShapeError: logits are not (n, C), or there is no text.
            DataError: a row of logits with NaN or infinity.
            ConfigError: the calibrated threshold lies on the wrong side of the given one.
        """
        if logits.ndim != 2 or logits.shape[1] != self.n_classes or len(logits) == 0:
            raise ShapeError(
                f"expected logits (n, {self.n_classes}) of at least one training text to calibrate on, got "
                f"{tuple(logits.shape)}; give m_in and m_out where there are none"
            )
        check_finite(logits, "logits of the training texts")
        energies = energy(logits).double()
        # Read from sorted energies, because `torch.quantile` refuses more than 16 million values; not interpolated.
        order = energies.sort().values
        measured = torch.stack([order[round(q * (len(order) - 1))] for q in self.quantiles])
        thresholds = torch.where(self.thresholds.isnan(), measured.to(self.thresholds), self.thresholds)
        if not thresholds[0] <= thresholds[1]:
            low, high = thresholds.tolist()
            raise ConfigError(f"loss: expected m_in <= m_out, calibrated m_in={low:.4g} m_out={high:.4g}; give both")
        self.thresholds.copy_(thresholds)

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Hinge above `m_in`."""
        return functional.relu(energy(logits) - self._threshold(0)).square().mean()

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Weighted hinge below `m_out`."""
        return self.outlier_weight * functional.relu(self._threshold(1) - energy(logits)).square().mean()

    def _threshold(self, number: int) -> float:
        threshold = float(self.thresholds[number])
        if math.isnan(threshold):
            raise NotFittedError("EnergyMargin has no thresholds yet; give m_in and m_out, or call calibrate(logits)")
        return threshold
