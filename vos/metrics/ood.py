"""How well scores separate OOD texts from ID texts; as in `vos.scores`, a higher score is more OOD.

Metrics depend only on the order of the scores: monotone maps and permutations change nothing, infinite scores are
allowed, and ties are handled exactly.
"""

from __future__ import annotations

import math

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from vos.errors import ConfigError, DataError, ShapeError


def auroc(id_scores: Tensor, ood_scores: Tensor) -> Tensor:
    """Probability that an OOD text scores above an ID text; ties count half.

    Args:
        id_scores: (n,) floats, higher = more OOD.
        ood_scores: (k,) floats, same scale.

    Returns:
        Scalar in [0, 1], dtype of `id_scores` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        DataError: a score is NaN.

    Example:
        >>> auroc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
        tensor(0.8750)
    """
    ids, oods = _checked(id_scores, ood_scores)
    ids = ids.sort().values
    below = torch.searchsorted(ids, oods)
    not_above = torch.searchsorted(ids, oods, right=True)
    # torchmetrics squashes scores outside [0, 1] with a sigmoid first, which ties the extreme ones.
    return _as_scores((below + not_above).double().mean() / (2 * len(ids)), id_scores)


def aupr(id_scores: Tensor, ood_scores: Tensor) -> Tensor:
    """Average precision with OOD as the positive class.

    Precision is weighted by steps of recall, not interpolated. Chance level is the share of OOD texts, so values
    compare only at equal numbers of texts.

    Args:
        id_scores: (n,) floats, higher = more OOD.
        ood_scores: (k,) floats, same scale.

    Returns:
        Scalar in [0, 1], dtype of `id_scores` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        DataError: a score is NaN.

    Source: scikit-learn's `average_precision_score`, on ranks.
    """
    ids, oods = _checked(id_scores, ood_scores)
    ranks = torch.unique(torch.cat([ids, oods]), return_inverse=True)[1]
    positive = torch.cat([torch.zeros_like(ids), torch.ones_like(oods)])
    value = average_precision_score(positive.cpu().numpy(), ranks.cpu().numpy())
    return _as_scores(ids.new_tensor(value), id_scores)


def fpr_at_tpr(id_scores: Tensor, ood_scores: Tensor, tpr: float = 0.95) -> Tensor:
    """Share of OOD texts accepted as ID when at least `tpr` of ID texts are accepted.

    A text is accepted when its score is <= t; t is the smallest score that accepts `tpr` of `id_scores`. Ties are
    accepted together.

    Args:
        id_scores: (n,) floats, higher = more OOD.
        ood_scores: (k,) floats, same scale.
        tpr: in (0, 1].

    Returns:
        Scalar in [0, 1], dtype of `id_scores` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        ConfigError: `tpr` outside (0, 1].
        DataError: a score is NaN.

    Source: Liang et al. 2018 (ODIN), metric (1). Differs from OpenOOD, which makes OOD the positive class; that
    reading is `fpr_at_tpr_ood`.

    Example:
        >>> fpr_at_tpr(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([2.5, 9.0]), tpr=0.75)
        tensor(0.)
    """
    ids, oods = _checked(id_scores, ood_scores)
    accepted = _smallest_count(tpr, len(ids))
    threshold = ids.kthvalue(accepted).values
    return _as_scores((oods <= threshold).double().mean(), id_scores)


def fpr_at_tpr_ood(id_scores: Tensor, ood_scores: Tensor, tpr: float = 0.95) -> Tensor:
    """Share of ID texts rejected when at least `tpr` of OOD texts are caught.

    A text is rejected when its score is >= t; t is the largest score that catches `tpr` of `ood_scores`. Ties are
    rejected together.

    Args:
        id_scores: (n,) floats, higher = more OOD.
        ood_scores: (k,) floats, same scale.
        tpr: in (0, 1].

    Returns:
        Scalar in [0, 1], dtype of `id_scores` but float32 at least, on their device.

    Raises:
        ShapeError: not 1-D, or empty.
        ConfigError: `tpr` outside (0, 1].
        DataError: a score is NaN.

    Source: OpenOOD, `evaluators/metrics.py:40-61`; pytorch-ood, `utils/metrics.py:196-214`.

    Example:
        >>> fpr_at_tpr_ood(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([2.5, 9.0]), tpr=1.0)
        tensor(0.2500)
    """
    ids, oods = _checked(id_scores, ood_scores)
    return _as_scores(fpr_at_tpr(-oods, -ids, tpr), id_scores)


def _as_scores(value: Tensor, scores: Tensor) -> Tensor:
    """The value on the device of the scores, in their dtype but at least float32; half precision has two digits."""
    return value.to(device=scores.device, dtype=torch.promote_types(scores.dtype, torch.float32))


def _smallest_count(share: float, n: int) -> int:
    """The smallest k with `k / n >= share`; `ceil(share * n)` alone is one too many when the product rounds up."""
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"expected tpr in (0, 1], got {share}")
    count = math.ceil(share * n)
    return count - 1 if (count - 1) / n >= share else count


def _checked(id_scores: Tensor, ood_scores: Tensor) -> tuple[Tensor, Tensor]:
    for name, scores in (("id_scores", id_scores), ("ood_scores", ood_scores)):
        if scores.ndim != 1 or len(scores) == 0 or not scores.is_floating_point():
            raise ShapeError(f"expected float {name} (n,) with n >= 1, got {tuple(scores.shape)} {scores.dtype}")
        if scores.isnan().any():
            raise DataError(f"expected scores without NaN, found {int(scores.isnan().sum())} in {name}")
    # Contiguous: a column of a table of scores makes searchsorted warn of a copy.
    ids, oods = (scores.detach().to(id_scores.device).double().contiguous() for scores in (id_scores, ood_scores))
    return ids, oods
