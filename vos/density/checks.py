"""What a density can be fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vos.errors import DataError, ShapeError

_NAMES_SHOWN = 10


def check_fit_data(features: Tensor, labels: Tensor, n_classes: int, n_features: int) -> None:
    """Refuse what no density can be fitted to.

    Args:
        features: (n, d) floats, n >= 1.
        labels: (n,) int64 in [0, C).
        n_classes: C.
        n_features: d.

    Raises:
        ShapeError: shapes or dtypes are not these.
        DataError: a label outside [0, C) (OOD rows among them), or a feature that is NaN or infinite.
    """
    n = len(features)
    if features.shape != (n, n_features) or n == 0 or not features.is_floating_point():
        raise ShapeError(
            f"expected float features (n, {n_features}) with n >= 1, got {tuple(features.shape)} {features.dtype}"
        )
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ShapeError(f"expected labels ({n},) int64, got {tuple(labels.shape)} {labels.dtype}")
    outside = (labels < 0) | (labels >= n_classes)
    if outside.any():
        raise DataError(
            f"expected labels in [0, {n_classes}), found {int(outside.sum())} others, the first is "
            f"{int(labels[outside][0])}: leave OOD and unlabelled texts out of the fit"
        )
    broken = ~torch.isfinite(features).all(-1)
    if broken.any():
        raise DataError(
            f"expected finite features, found {int(broken.sum())} of {n} rows with NaN or infinity, "
            f"the first is row {int(broken.nonzero()[0, 0])}"
        )


def shown(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    text = ", ".join(names[:_NAMES_SHOWN])
    return text if len(names) <= _NAMES_SHOWN else f"{text} and {len(names) - _NAMES_SHOWN} more"
