"""How well a classifier finds harmful texts when they are rare, where accuracy says little.

Both measures depend only on the order of the margins, so that no threshold has to be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vos.density.checks import check_finite, check_labels
from vos.errors import ConfigError
from vos.metrics.margins import margin
from vos.metrics.ood import aupr, fpr_at_tpr
from vos.types import harmful_mask

FALSE_POSITIVES = 0.05
"""Largest share of harmless texts that may be flagged when recall is measured."""


def average_precision(harmless: Tensor, harmful: Tensor) -> Tensor:
    """Average precision of ranking texts by descending margin: precision weighted by steps of recall.

    Texts with equal margins are flagged together. Chance level is the share of harmful texts.

    Args:
        harmless: (n,) margins of harmless texts, higher = more harmful.
        harmful: (k,) margins of harmful texts.

    Returns:
        Scalar in [0, 1], dtype of `harmless` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        DataError: a margin is NaN.

    Source: scikit-learn's `average_precision_score`.
    """
    return aupr(harmless, harmful)


def recall_at_fpr(harmless: Tensor, harmful: Tensor, fpr: float = FALSE_POSITIVES) -> Tensor:
    """Share of harmful texts found by the lowest threshold that flags at most `fpr` of the harmless ones.

    Texts with equal margins are flagged together or not at all: if flagging them would flag too many harmless texts,
    none of them is flagged, and the harmful ones among them count as not found. With fewer than `1 / fpr` harmless
    texts, none of those may be flagged.

    Args:
        harmless: (n,) margins of harmless texts, higher = more harmful.
        harmful: (k,) margins of harmful texts.
        fpr: in [0, 1).

    Returns:
        Scalar in [0, 1], dtype of `harmless` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        ConfigError: `fpr` outside [0, 1).
        DataError: a margin is NaN.

    Example:
        >>> import torch
        >>> harmless, harmful = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0.5, 2.0, 2.5, 9.0])
        >>> recall_at_fpr(harmless, harmful), recall_at_fpr(harmless, harmful, fpr=0.25)
        (tensor(0.2500), tensor(0.5000))
    """
    if not 0.0 <= fpr < 1.0:
        raise ConfigError(f"expected fpr in [0, 1), got {fpr}")
    return 1.0 - fpr_at_tpr(harmless, harmful, 1.0 - fpr)


def detection_report(logits: Tensor, labels: Tensor, harmful: Sequence[int]) -> dict[str, float]:
    """`average_precision` and `recall_at_fpr05` of the harmful classes against the rest.

    Empty if no class is harmful, or if the texts are all harmful or all harmless: then neither is defined.

    Args:
        logits: (n, C) with C >= 2.
        labels: (n,) int64 in [0, C).
        harmful: indices of the harmful classes, see `vos.metrics.margins.margin`.

    Raises:
        ShapeError: shapes or dtypes are not these.
        DataError: a label outside [0, C), or a row of logits with NaN or infinity.
    """
    margins = margin(logits, harmful)
    check_labels(labels, logits.shape[1])
    check_finite(logits, "logits")
    harm = harmful_mask(logits.shape[1], harmful, logits.device)[labels]
    if not harm.any() or harm.all():
        return {}
    sides = margins[~harm], margins[harm]
    return {"average_precision": float(average_precision(*sides)), "recall_at_fpr05": float(recall_at_fpr(*sides))}
