"""Texts that were held out, as the measure of distance in training and after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor

from vos.density import FeatureBank, FeatureQueue, GaussianDensity
from vos.errors import NotFittedError
from vos.storage.run_files import Calibration

logger = logging.getLogger(__name__)

SHARES = (0.5, 0.9, 0.99)
"""Distances whose radii are reported: how many test texts lie beyond."""

EXTRAPOLATED = "extrapolated"
"""Said of radii that are larger than the distance of every held-out text."""

EXTRAPOLATED_SHARE = 0.5
"""Share of the outliers beyond every held-out text above which all of them are called so."""


def calibrate_within_fit(
    density: GaussianDensity, memory: FeatureBank | FeatureQueue, features: Tensor, labels: Tensor, *, refit: bool
) -> None:
    """Measure the radii of the density on the validation texts.

    Once an epoch, on features that the validation pass has made anyway; the steps until the next one keep the ratio
    of held-out to training distances. A density that cannot be fitted yet stays as it is.

    Args:
        density: changed in place.
        memory: of the training texts.
        features: (n, d) floats of the validation texts, of the model in evaluation.
        labels: (n,) int64.
        refit: fit the density to the memory first, where no step of this fit has.
    """
    if refit or not density.is_fitted:
        seen, owners = memory.contents()
        try:
            if len(seen) == 0:
                raise NotFittedError("no training text has been seen")
            density.fit(seen, owners)
        except NotFittedError as error:
            logger.info("the radii are not calibrated in this epoch: %s", error)
            return
    density.calibrate(features, labels)


def distance_metrics(density: GaussianDensity, features: Tensor, labels: Tensor) -> dict[str, float]:
    """`beyond_0.5`, ...: the share of texts farther from their class than a distance; 0.5, ... is what is meant.

    Args:
        density: fitted, and calibrated on other texts than these.
        features: (n, d) floats, n >= 1.
        labels: (n,) int64; texts of classes that are not ready are left out, and without any nothing is said.
    """
    known = density.ready[labels.to(density.ready.device)]
    if not known.any():
        return {}
    labels = labels.to(known.device)[known]
    squared = density.own_mahalanobis(features[known.to(features.device)], labels)
    beyond = {q: (squared > density.squared_radii(q, labels)).double().mean() for q in SHARES}
    return {f"beyond_{q:g}": float(share) for q, share in beyond.items()}


def outlier_radii(metrics: Mapping[str, float]) -> str | None:
    """What the radii of a round's virtual outliers are, "measured" or "extrapolated"; None where there are none."""
    share = metrics.get("boundary/outlier_extrapolated_share")
    return None if share is None else (EXTRAPOLATED if share > EXTRAPOLATED_SHARE else "measured")


def calibration_facts(density: GaussianDensity, metrics: Mapping[str, float]) -> Calibration:
    """How the distances of a run were measured, as JSON can hold it.

    `held_out_texts`; `largest_measured`, the distance beyond which radii are extrapolated, the least over classes;
    `outliers`, see `outlier_radii`.

    Args:
        density: of the run, fitted.
        metrics: of its final round.
    """
    ready = density.ready.nonzero()[:, 0].tolist() if density.is_calibrated else []
    return {
        "held_out_texts": len(density.held_out),
        "largest_measured": min((density.law_of(c).largest_measured for c in ready), default=None),
        "outliers": outlier_radii(metrics),
    }


def outlier_metrics(density: GaussianDensity, squared: Tensor, labels: Tensor) -> dict[str, float]:
    """How far out virtual outliers lie: `distance_median`, `mahalanobis_median` and `extrapolated_share`.

    The last is the share that lies beyond every held-out text, where the radii are extrapolated.

    Args:
        density: fitted.
        squared: (m,) squared Mahalanobis distances to their own class.
        labels: (m,) int64, the classes drawn from.
    """
    return {
        "distance_median": float(torch.quantile(1.0 - density.share_beyond(squared, labels), 0.5)),
        "mahalanobis_median": float(torch.quantile(squared.double(), 0.5)),
        "extrapolated_share": float(density.is_extrapolated(squared, labels).double().mean()),
    }
