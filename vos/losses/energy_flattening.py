"""Texts drawn to low energy, outliers held without confidence."""

from __future__ import annotations

import math

from torch import Tensor

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer
from vos.losses.energy import EnergyMargin
from vos.losses.flattening import BoundaryFlattening


class EnergyFlattening(OutlierRegularizer):
    """The text side of `EnergyMargin` beside the outlier side of `BoundaryFlattening`.

    Texts `relu(E - m_in)²`; outliers `outlier_weight` times `KL(uniform ‖ softmax(x))`. With two classes a hinge that
    asks outliers for high energy takes back what the texts' hinge gives (docs/RESULTS.md); one that takes their
    confidence does not.

    Args:
        n_classes: C, at least two.
        m_in: texts below this energy cost nothing, logit units; None calibrates it, see `EnergyMargin`.
        in_quantile: of the training texts' energies, where `m_in` is None.
        outlier_weight: of the outlier side, not negative.

    Raises:
        ConfigError: a quantile outside [0, 1], a negative weight, or fewer than two classes.

    Source: ours, of the two parts.
    """

    def __init__(
        self, n_classes: int, m_in: float | None = None, in_quantile: float = 0.5, outlier_weight: float = 0.2
    ) -> None:
        super().__init__(n_classes, at_least=2)
        if not 0.0 <= in_quantile <= 1.0 or not outlier_weight >= 0.0:
            raise ConfigError(
                f"loss: expected in_quantile in [0, 1] and outlier_weight >= 0, got {in_quantile} and {outlier_weight}"
            )
        # The upper threshold is out of reach: the outlier side of this part is not asked for.
        self.texts = EnergyMargin(n_classes, m_in, math.inf, in_quantile, 1.0, outlier_weight)
        self.outliers = BoundaryFlattening(n_classes, id_margin=0.0)

    def extra_repr(self) -> str:
        """The threshold, for `print(module)`."""
        return f"m_in={self.texts.thresholds[0]:.4g}"

    @property
    def is_calibrated(self) -> bool:
        """Whether the threshold is known."""
        return self.texts.is_calibrated

    def calibrate(self, logits: Tensor) -> None:
        """See `EnergyMargin.calibrate`, which also says what is refused."""
        self.texts.calibrate(logits)

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Hinge above the threshold."""
        return self.texts.id_loss(logits, features, labels)

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:
        """Weighted divergence from uniform."""
        return self.texts.outlier_weight * self.outliers.ood_loss(logits, features)
