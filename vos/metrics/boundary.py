"""Measures of a classifier at its decision boundary.

The band is the set of texts with `|margin| <= band`, in logit units; its width is fixed once, so that rounds can be
compared.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.checks import at_least_float32, check_finite, check_labels
from vos.errors import ConfigError, ShapeError
from vos.metrics.calibration import accuracy, brier, expected_calibration_error, wilson_interval
from vos.metrics.detection import detection_report
from vos.metrics.margins import check_logits, margin
from vos.metrics.ood import auroc
from vos.outliers import head_gaps
from vos.scores import energy
from vos.types import LinearHead, harmful_mask

_PAIRS_BLOCK = 4096

Key = TypeVar("Key", bound=Hashable)


def true_class_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the true class minus the largest other logit: (n,), at least float32; negative when wrong.

    Args:
        logits: (n, C).
        labels: (n,) int64 in [0, C).

    Raises:
        ShapeError: logits are not (n, C) with C >= 2, or labels not (n,) int64.
        DataError: a label outside [0, C).
    """
    _check_logits(logits, labels)
    logits = at_least_float32(logits)
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -math.inf).amax(-1)


def band_width(margins: Tensor, share: float = 0.1) -> float:
    """Half-width of the band that contains the given share of texts, those nearest the boundary.

    Args:
        margins: (n,) logit units, n >= 1.
        share: in (0, 1]; at least one text is in the band.

    Returns:
        The largest `|margin|` among the `round(share · n)` nearest texts.

    Raises:
        ShapeError: no margins.
        ConfigError: `share` outside (0, 1].
    """
    if margins.ndim != 1 or len(margins) == 0:
        raise ShapeError(f"expected margins (n,) with n >= 1, got {tuple(margins.shape)}")
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"expected a share in (0, 1], got {share}")
    return float(margins.abs().kthvalue(max(1, round(share * len(margins)))).values)


def standardized_distance(density: GaussianDensity, head: LinearHead, harmful: Sequence[int]) -> Tensor:
    """Distance of each class mean from the boundary in standard deviations of the class: `|δ|/s`, (C,) float64.

    With more than two classes, the distance to the nearest boundary with another class; if some classes are harmful,
    with a class of the other side. +inf for classes that are not ready and for pairs with equal rows of the head.
    Comparable across features and heads of any scale.

    Raises:
        ShapeError: fewer than two classes.
    """
    n_classes = density.n_classes
    if n_classes < 2:
        raise ShapeError(f"expected at least two classes, got {n_classes}")
    side = harmful_mask(n_classes, harmful, density.means.device)
    across = (side[:, None] != side) | (not harmful)
    across &= ~torch.eye(n_classes, dtype=torch.bool, device=side.device)
    pairs = across.nonzero()
    blocks = []
    for block in torch.split(pairs, _PAIRS_BLOCK):  # (block, d) normals at a time, not (C², d)
        gaps = head_gaps(density, head, block[:, 0], block[:, 0], block[:, 1])
        distances = gaps.distance_to(torch.zeros_like(gaps.at_mean))
        blocks.append(torch.where(gaps.normals.norm(dim=-1) > 0.0, distances, math.inf))
    distances = density.means.new_full((n_classes, n_classes), math.inf)
    distances[pairs[:, 0], pairs[:, 1]] = torch.cat(blocks)
    return torch.where(density.ready, distances.amin(-1), math.inf)


def pair_consistency(predictions: Tensor, labels: Tensor, pairs: Sequence[str | None]) -> float | None:
    """Share of minimal pairs whose texts are all predicted correctly; None if there is no pair.

    A pair is a key shared by at least two texts; a text whose partner is not in the set is ignored.

    Args:
        predictions: (n,) int64.
        labels: (n,) int64.
        pairs: n keys, None for texts without a pair.

    Raises:
        ShapeError: lengths differ.
    """
    _check_length("pairs", pairs, labels)
    groups = _group((predictions == labels).tolist(), pairs)
    found = [all(right) for right in groups.values() if len(right) >= 2]
    return sum(found) / len(found) if found else None


def error_by_level(predictions: Tensor, labels: Tensor, levels: Sequence[int | None]) -> dict[tuple[int, int], float]:
    """Share of wrong predictions by (label, subtlety level), for the combinations that occur.

    Args:
        predictions: (n,) int64.
        labels: (n,) int64.
        levels: n levels, None where unknown.

    Raises:
        ShapeError: lengths differ.
    """
    _check_length("levels", levels, labels)
    keys = [None if level is None else (label, level) for label, level in zip(labels.tolist(), levels, strict=True)]
    groups = _group((predictions != labels).tolist(), keys)
    return {key: sum(wrong) / len(wrong) for key, wrong in sorted(groups.items())}


def outlier_energy_auroc(id_logits: Tensor, outlier_logits: Tensor) -> Tensor:
    """AUROC of the energy in separating virtual outliers from texts, that is, how visible they are to the head.

    At 0.5 a loss on the energy has nothing to learn from these outliers.

    Args:
        id_logits: (n, C).
        outlier_logits: (m, C).

    Returns:
        Scalar in [0, 1], dtype of `id_logits` but float32 at least, on their device.
    """
    return auroc(energy(id_logits), energy(outlier_logits))


def boundary_report(
    logits: Tensor,
    labels: Tensor,
    harmful: Sequence[int],
    band: float,
    levels: Sequence[int | None],
    pairs: Sequence[str | None],
) -> dict[str, float]:
    """All boundary metrics of a labelled set, in a flat dictionary.

    `accuracy`, `error`, `brier`, `ece`; the same over the texts of the band as `band_...`, with `band_share`;
    `pair_consistency`; `error_label{y}_level{l}`; if a class is harmful, `average_precision` and `recall_at_fpr05`
    (see `vos.metrics.detection`), and `false_negative_rate`, the share of harmful texts that are predicted as a class
    that is not harmful, with its 95 % Wilson interval as `..._low` and `..._high`. Predicting one harmful class instead
    of another is an error but not a false negative. A metric over an empty set of texts is left out; no value is NaN.

    Args:
        logits: (n, C) with n >= 1 and C >= 2.
        labels: (n,) int64 in [0, C).
        harmful: indices of the harmful classes, see `margin`.
        band: half-width of the band, logit units.
        levels: n subtlety levels, None where unknown.
        pairs: n keys of minimal pairs, None where there is none.

    Raises:
        ShapeError: shapes, dtypes or lengths are not these.
        DataError: a label outside [0, C), or a row of logits with NaN or infinity.
    """
    _check_logits(logits, labels)
    check_finite(logits, "logits")
    predictions, probabilities = logits.argmax(-1), logits.double().softmax(-1)
    inside = margin(logits, harmful).abs() <= band
    report = _quality(probabilities, predictions, labels)
    report |= detection_report(logits, labels, harmful)
    report["band_share"] = float(inside.double().mean())
    if inside.any():
        quality = _quality(probabilities[inside], predictions[inside], labels[inside])
        report |= {f"band_{name}": value for name, value in quality.items()}
    is_harmful = harmful_mask(logits.shape[1], harmful, logits.device)
    harm = is_harmful[labels]
    if harm.any():
        missed, total = int((~is_harmful[predictions[harm]]).sum()), int(harm.sum())
        low, high = wilson_interval(missed, total)
        names = ("false_negative_rate", "false_negative_rate_low", "false_negative_rate_high")
        report |= dict(zip(names, (missed / total, low, high), strict=True))
    consistency = pair_consistency(predictions, labels, pairs)
    if consistency is not None:
        report["pair_consistency"] = consistency
    by_level = error_by_level(predictions, labels, levels)
    return report | {f"error_label{label}_level{level}": error for (label, level), error in by_level.items()}


def _quality(probabilities: Tensor, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    return {
        "accuracy": float(accuracy(predictions, labels)),
        "error": float((predictions != labels).double().mean()),
        "brier": float(brier(probabilities, labels)),
        "ece": float(expected_calibration_error(probabilities, labels)),
    }


def _group(values: Sequence[bool], keys: Sequence[Key | None]) -> dict[Key, list[bool]]:
    """Group values by key; values without a key are left out."""
    groups: defaultdict[Key, list[bool]] = defaultdict(list)
    for value, key in zip(values, keys, strict=True):
        if key is not None:
            groups[key].append(value)
    return groups


def _check_length(name: str, keys: Sequence[object], labels: Tensor) -> None:
    if len(keys) != len(labels):
        raise ShapeError(f"expected as many {name} as labels, got {len(keys)} and {len(labels)}")


def _check_logits(logits: Tensor, labels: Tensor) -> None:
    check_logits(logits)
    if labels.shape != logits.shape[:1]:
        raise ShapeError(f"expected logits (n, C) and labels (n,), got {tuple(logits.shape)} and {tuple(labels.shape)}")
    check_labels(labels, logits.shape[1])
