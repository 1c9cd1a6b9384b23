"""Names of the metrics that a run can measure, known before any work."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from vos.data import TextData
from vos.metrics.boundary import boundary_report
from vos.training.held_out import SHARES
from vos.training.measure import MOST_GROUPS, OOD
from vos.types import Example

ALWAYS = (
    *("band", "shift", "density_jitter", "infeasible_share", "outlier_energy_auroc", "outlier_distance_median"),
    *("outlier_mahalanobis_median", "outlier_extrapolated_share", "standardized_distance/min"),
)
"""Metrics under `boundary/` that depend on no split; some are missing where nothing could be drawn."""

SCORES = ("energy", "mahalanobis", "knn", "initial_knn", "energy_and_initial_knn")

BY_OUTPUT = re.compile(r"boundary/standardized_distance/.+|boundary/(val|test)/error_label\d+_level\d+")
"""Metrics of single outputs, which a model may have more of than the data has classes."""


def measurable(data: TextData) -> set[str]:
    """Names of the metrics that a run on these texts can measure, besides those of `BY_OUTPUT`."""
    found = {f"boundary/{name}" for name in ALWAYS}
    for split, examples in (("val", data.val), ("test", data.test)):
        found |= {f"boundary/{split}/{name}" for name in _reported(examples, data)}
    if data.test:
        found |= {f"boundary/test/beyond_{share:g}" for share in SHARES}
    if data.ood:
        found |= {f"ood/{score}/{name}" for score in SCORES for name in OOD}
    if data.ood and data.harmful:
        groups = {example.group.replace(" ", "_") for example in data.ood if example.group is not None}
        shown = groups if len(groups) <= MOST_GROUPS else ()
        found |= {"ood/called_harmful", *(f"ood/called_harmful/{group}" for group in shown)}
    return found


def can_be_measured(name: str, data: TextData) -> bool:
    """Whether a run on these texts can measure the metric `name`."""
    return name in measurable(data) or BY_OUTPUT.fullmatch(name) is not None


def _reported(examples: Sequence[Example], data: TextData) -> set[str]:
    """Names of the metrics of a split, all of whose texts lie in the band."""
    if not examples:
        return set()
    labels = torch.tensor([example.label for example in examples], dtype=torch.int64)
    logits = torch.zeros(len(examples), len(data.label_names))
    levels, pairs = [e.level for e in examples], [e.pair for e in examples]
    return set(boundary_report(logits, labels, data.harmful, 1.0, levels, pairs))
