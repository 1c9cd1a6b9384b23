"""Regularisers on texts and virtual outliers, all with the signature of `OutlierLoss`.

Virtual outliers are drawn without gradient, so the outlier term of a loss trains only the head and the loss's own
parameters; the text term also trains the encoder, and so do auxiliary outlier texts used instead of virtual outliers.
The two terms are averaged separately and have equal weight, whatever the number of outliers.
"""

from vos.density.checks import at_least_float32
from vos.losses.base import OutlierLoss, OutlierRegularizer, check_batch
from vos.losses.energy import EnergyMargin, EnergyUncertainty
from vos.losses.energy_flattening import EnergyFlattening
from vos.losses.features import ExtraClass, FeatureUncertainty
from vos.losses.flattening import BoundaryFlattening

__all__ = [
    "BoundaryFlattening",
    "EnergyFlattening",
    "EnergyMargin",
    "EnergyUncertainty",
    "ExtraClass",
    "FeatureUncertainty",
    "OutlierLoss",
    "OutlierRegularizer",
    "at_least_float32",
    "check_batch",
]
