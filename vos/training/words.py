"""Metrics in words, for tables and pictures; files and wandb use their short names."""

from __future__ import annotations

SPLITS = {"val": "validation texts", "test": "test texts"}
"""Words for the measured splits."""

OF_A_SPLIT = {
    "accuracy": "accuracy",
    "error": "error",
    "average_precision": "average precision",
    "recall_at_fpr05": "recall at 5 % false positives",
    "brier": "Brier score",
    "ece": "calibration error",
    "band_error": "error near the boundary",
    "band_ece": "calibration error near the boundary",
    "band_share": "share near the boundary",
    "false_negative_rate": "share of harm missed",
    "pair_consistency": "minimal pairs both right",
    "beyond_0.5": "share beyond distance 0.5",
    "beyond_0.9": "share beyond distance 0.9",
    "beyond_0.99": "share beyond distance 0.99",
}
"""Words for metrics of a split, by the last part of their name."""

GROUPS = {"boundary/outlier_": "virtual outliers", "ood/": "texts of another kind"}
"""Prefixes of other metrics, and what they refer to."""

OTHERS = {
    "boundary/outlier_distance_median": "median distance of the virtual outliers",
    "boundary/outlier_mahalanobis_median": "median squared Mahalanobis distance of the virtual outliers",
    "boundary/outlier_energy_auroc": "AUROC of the energy, virtual outliers",
    "boundary/infeasible_share": "share of classes without virtual outliers",
    "boundary/standardized_distance/min": "standard deviations to the boundary",
    "boundary/shift": "shift of the boundary",
    "ood/energy/auroc": "AUROC of the energy, texts of another kind",
    "ood/mahalanobis/auroc": "AUROC of the Mahalanobis distance, texts of another kind",
    "ood/initial_knn/auroc": "AUROC of the untrained encoder's distance, texts of another kind",
    "ood/called_harmful": "texts of another kind called harmful",
    "near/error": "wrong near the boundary",
    "random/error": "wrong in the random share",
    "random/fnr": "share of harm missed, random share",
    "error_hard": "error, subtle texts",
    "error_easy": "error, plain texts",
    "error_band": "error near the boundary, test texts",
    "error": "error, test texts",
    "outliers.distance": "distance of the virtual outliers",
    "outliers.margin": "margin of the virtual outliers",
    "outliers.band": "width of the band of margins",
    "loss.settings.weight": "weight of the regulariser",
}
"""Words for other metrics and settings, by their whole name."""


def in_words(name: str) -> str:
    """A metric or setting in words; if there are none, its name without underscores.

    Example:
        >>> in_words("boundary/val/brier"), in_words("boundary/shift"), in_words("error_label1_level3")
        ('Brier score, validation texts', 'shift of the boundary', 'error label1 level3')
    """
    if name in OTHERS:
        return OTHERS[name]
    for split, texts in SPLITS.items():
        end = name.removeprefix(f"boundary/{split}/")
        if end != name:
            return f"{OF_A_SPLIT.get(end, end.replace('_', ' '))}, {texts}"
    return name.removeprefix("boundary/").removeprefix("ood/").replace("_", " ").replace("/", ", ")


def by_split(name: str) -> tuple[str, str]:
    """The section of a table in which a metric appears, and its name there.

    Example:
        >>> by_split("boundary/val/brier"), by_split("boundary/shift")
        (('validation texts', 'Brier score'), ('the boundary', 'shift of the boundary'))
    """
    for split, texts in SPLITS.items():
        end = name.removeprefix(f"boundary/{split}/")
        if end != name:
            return texts, OF_A_SPLIT.get(end, end.replace("_", " "))
    group = next((group for start, group in GROUPS.items() if name.startswith(start)), "the boundary")
    return group, in_words(name).removesuffix(f", {group}").removeprefix(f"{group} ").replace(f" of the {group}", "")


def as_phrase(name: str) -> str:
    """A metric within a sentence.

    Example:
        >>> as_phrase("boundary/val/brier"), as_phrase("boundary/shift")
        ('Brier score of the validation texts', 'shift of the boundary')
    """
    place, words = by_split(name)
    return f"{words} of the {place}" if place in SPLITS.values() else words
