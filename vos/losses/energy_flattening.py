"""A loss that pulls texts to low energy and outliers to uniform probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer
from vos.losses.energy import EnergyMargin
from vos.losses.flattening import BoundaryFlattening


class EnergyFlattening(OutlierRegularizer):
    """The text term of `EnergyMargin` with the outlier term of `BoundaryFlattening`.

    Texts `relu(E - m_in)²`; outliers `outlier_weight` times `KL(uniform ‖ softmax(x))`. With two classes, a hinge that
    pushes outliers to high energy undoes the gain of the texts' hinge (docs/RESULTS.md); reducing the confidence on
    outliers does not.

    Args:
        n_classes: C, at least two.
        m_in: texts below this energy have zero loss, logit units; None calibrates it, see `EnergyMargin`.
        in_quantile: quantile of the training texts' energies to use if `m_in` is None.
        outlier_weight: weight of the outlier term, not negative.

    Raises:
        ConfigError: a quantile outside [0, 1], a negative weight, or fewer than two classes.

    Source: ours, a combination of the two.
    """

    def __init__(
        self, n_classes: int, m_in: float | None = None, in_quantile: float = 0.5, outlier_weight: float = 0.2
    ) -> None:
        super().__init__(n_classes, at_least=2)
        if not 0.0 <= in_quantile <= 1.0 or not outlier_weight >= 0.0:
            raise ConfigError(
                f"loss: expected in_quantile in [0, 1] and outlier_weight >= 0, got {in_quantile} and {outlier_weight}"
            )
        # The upper threshold is never used: only the text term of `EnergyMargin` is.
        self.texts = EnergyMargin(n_classes, m_in, math.inf, in_quantile, 1.0, outlier_weight)
        self.outliers = BoundaryFlattening(n_classes, id_margin=0.0)

    def extra_repr(self) -> str:
        """The threshold, for `print(module)`."""
        return f"m_in={self.texts.thresholds[0]:.4g}"

    @property
    def is_calibrated(self) -> bool:
        """Whether the threshold is set."""
        return self.texts.is_calibrated

    def calibrate(self, logits: Tensor) -> None:
        """See `EnergyMargin.calibrate`, also for the errors raised."""
        self.texts.calibrate(logits)

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Hinge above the threshold."""
        return self.texts.id_loss(logits, features, labels)

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:
        """Weighted divergence from uniform."""
        return self.texts.outlier_weight * self.outliers.ood_loss(logits, features)
