"""Calibration of distances by held-out texts, during training and after it."""

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
"""Distances at whose radii the share of test texts beyond is reported."""

EXTRAPOLATED = "extrapolated"
"""Word for radii that are larger than the distance of every held-out text."""

EXTRAPOLATED_SHARE = 0.5
"""If more than this share of the outliers lies beyond every held-out text, the radii are reported as extrapolated."""


def calibrate_within_fit(
    density: GaussianDensity, memory: FeatureBank | FeatureQueue, features: Tensor, labels: Tensor, *, refit: bool
) -> None:
    """Calibrate the radii of the density on the validation texts.

    Called once per epoch with the features of the validation pass; until the next epoch the ratio of held-out to
    training distances is kept. A density that cannot be fitted yet is unchanged.

    Args:
        density: modified in place.
        memory: features of the training texts.
        features: (n, d) floats of the validation texts, from the model in evaluation mode.
        labels: (n,) int64.
        refit: first fit the density to the memory, if no step of this fit has done so.
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
    """`beyond_0.5`, ...: the share of texts that lie farther from their class than a distance; ideally one minus it.

    Args:
        density: fitted, and calibrated on other texts.
        features: (n, d) floats, n >= 1.
        labels: (n,) int64; texts of classes that are not ready are left out; if none remain, the result is empty.
    """
    known = density.ready[labels.to(density.ready.device)]
    if not known.any():
        return {}
    labels = labels.to(known.device)[known]
    squared = density.own_mahalanobis(features[known.to(features.device)], labels)
    beyond = {q: (squared > density.squared_radii(q, labels)).double().mean() for q in SHARES}
    return {f"beyond_{q:g}": float(share) for q, share in beyond.items()}


def outlier_radii(metrics: Mapping[str, float]) -> str | None:
    """Whether the radii of a round's virtual outliers are "measured" or "extrapolated"; None without outliers."""
    share = metrics.get("boundary/outlier_extrapolated_share")
    return None if share is None else (EXTRAPOLATED if share > EXTRAPOLATED_SHARE else "measured")


def calibration_facts(density: GaussianDensity, metrics: Mapping[str, float]) -> Calibration:
    """How the distances of a run were calibrated, as JSON-serialisable values.

    `held_out_texts`; `largest_measured`, the distance beyond which radii are extrapolated, the smallest over classes;
    `outliers`, see `outlier_radii`.

    Args:
        density: the fitted density of the run.
        metrics: metrics of its final round.
    """
    ready = density.ready.nonzero()[:, 0].tolist() if density.is_calibrated else []
    return {
        "held_out_texts": len(density.held_out),
        "largest_measured": min((density.law_of(c).largest_measured for c in ready), default=None),
        "outliers": outlier_radii(metrics),
    }


def outlier_metrics(density: GaussianDensity, squared: Tensor, labels: Tensor) -> dict[str, float]:
    """How far out virtual outliers lie: `distance_median`, `mahalanobis_median` and `extrapolated_share`.

    The last is the share of outliers beyond every held-out text, where the radii are extrapolated.

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
