"""Virtual outliers of the atlas, each with its nearest texts, and the word lens if its checks pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from vos.atlas.artefacts import Check
from vos.atlas.describe import distances
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import InfeasibleError
from vos.interpret.outlier_neighbors import DIRECTIONS, OutlierNeighbors, WordLens, lens_checks, outlier_neighbors
from vos.interpret.terms import term_matrix
from vos.metrics.margins import margin
from vos.types import VirtualOutliers

DISTINCT = 0.5
"""Required number of distinct nearest texts, as a share of the outliers; below it a few texts are nearest to all."""

OWN_TO_OTHER = 2.0
"""Required ratio of the frequency of an outlier's words in its own nearest texts to that in another's."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:
    """Margins, calibrated distances and nearest texts of the virtual outliers.

    Raises:
        InfeasibleError: the run's sampler is infeasible for every class.
    """
    outliers = world.outliers
    if outliers is None or not len(outliers):
        raise InfeasibleError("virtual outliers: no class can have any as this run's sampler draws them")
    points = outliers.features.detach().cpu().double()
    found = outlier_neighbors(points.numpy(), world.features, world.density, world.head, world.harmful)
    logits = world.head.logits(points.to(world.head.weight.dtype))
    return {
        "settings": {"n_outliers": settings.n_outliers, "directions": DIRECTIONS},
        "margin": margin(logits, world.harmful).double().numpy(),
        "distance": distances(world.density, points, outliers.labels),
        "class": outliers.labels.numpy(),
        "nearest": found.rows,
        "nearest_distance": found.distances,
        "tenth": found.tenth,
        "lens": _lens(world, outliers, found),
        "checks": [_distinct(found, len(world.texts))],
        "arrays": {"features": points.numpy(), "mahalanobis": outliers.mahalanobis.double().cpu().numpy()},
    }


def _distinct(found: OutlierNeighbors, n_texts: int) -> Check:
    possible = min(len(found.rows), n_texts)
    value = len(np.unique(found.rows[:, 0])) / possible if found.rows.size and possible else None
    passed = value is not None and value >= DISTINCT
    said = (
        "no text to compare with" if value is None else f"{value:.0%} of the outliers have a nearest text of their own"
    )
    return Check(
        "outliers have nearest texts of their own",
        value,
        DISTINCT,
        passed,
        said if passed or value is None else f"{said}: a few texts answer for nearly all of them",
        "method",
    )


def _lens(world: AtlasWorld, outliers: VirtualOutliers, found: OutlierNeighbors) -> dict[str, Any]:
    """Words of each outlier whose two checks pass; None if there are no words or no texts."""
    if not len(world.texts):
        return {"shown": False, "words": [], "checks": []}
    points = outliers.features.detach().cpu().double().numpy()
    lens = WordLens.fit(world.features, world.texts.text)
    checks = lens_checks(lens, points, found.rows, term_matrix(world.texts.text, 1, 1), OWN_TO_OTHER)
    words = lens.top_words(points) if checks.shown.any() else []
    largest = float(np.median(checks.largest)) if len(checks.largest) else None
    ratio = checks.ratio
    of_set = "could not be measured" if ratio is None else f"{ratio:.1f} times as often as in the texts near another"
    return {
        "shown": bool(checks.shown.any()),
        "words": [own if shown else [] for own, shown in zip(words, checks.shown.tolist(), strict=False)],
        "checks": [
            Check(
                "largest predicted presence of a word (median of the outliers)",
                largest,
                1.0,
                largest is not None and largest <= 1.0,
                "above 1 the lens extrapolates to where no text is; each outlier is tried on its own",
                "method",
                bound="at most",
            ),
            Check(
                "words of an outlier in its nearest texts, against those of another",
                ratio,
                OWN_TO_OTHER,
                ratio is not None and ratio >= OWN_TO_OTHER,
                f"its words stand in its nearest texts {of_set}",
                "method",
            ),
        ],
    }
