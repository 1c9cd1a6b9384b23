"""Measures of OOD detection (`vos.metrics.ood`) and of the decision boundary (`vos.metrics.boundary`)."""

from vos.metrics.boundary import (
    band_width,
    boundary_report,
    error_by_level,
    outlier_energy_auroc,
    pair_consistency,
    standardized_distance,
    true_class_margin,
)
from vos.metrics.calibration import accuracy, brier, expected_calibration_error, wilson_interval
from vos.metrics.detection import average_precision, detection_report, recall_at_fpr
from vos.metrics.margins import harmful_sides, margin, on_harmful_side
from vos.metrics.ood import aupr, auroc, fpr_at_tpr, fpr_at_tpr_ood

__all__ = [
    "accuracy",
    "aupr",
    "auroc",
    "average_precision",
    "band_width",
    "boundary_report",
    "brier",
    "detection_report",
    "error_by_level",
    "expected_calibration_error",
    "fpr_at_tpr",
    "fpr_at_tpr_ood",
    "harmful_sides",
    "margin",
    "on_harmful_side",
    "outlier_energy_auroc",
    "pair_consistency",
    "recall_at_fpr",
    "standardized_distance",
    "true_class_margin",
    "wilson_interval",
]
