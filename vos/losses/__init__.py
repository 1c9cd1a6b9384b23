"""Regularisers on texts and virtual outliers, all with the signature of `OutlierLoss`.

Virtual outliers are drawn without gradient, so the outlier side of a loss moves the head and the loss's own parameters;
the text side moves the encoder too, and so do auxiliary outlier texts in their place. Each side is averaged on its
own and the two halves weigh the same, whatever the number of outliers.
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
