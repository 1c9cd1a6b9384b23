"""Argument checks shared by densities, scores, losses and metrics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vos.errors import DataError, ShapeError

_NAMES_SHOWN = 10


def at_least_float32(values: Tensor) -> Tensor:
    """Half-precision values as float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_logits(logits: Tensor) -> Tensor:
    """Check logits (n, C) and return them in at least float32.

    In bfloat16 (8 bits) different scores become ties: an AUROC would keep only two digits.

    Raises:
        ShapeError: not (n, C) floats with C >= 1.
    """
    check_rows(logits, "logits (n, C)")
    return at_least_float32(logits)


def check_rows(values: Tensor, expected: str) -> None:
    """Check that values are rows of at least one float; `expected` describes them and their shape.

    Raises:
        ShapeError: not two dimensions, no column, or not floats.
    """
    if values.ndim != 2 or values.shape[1] == 0 or not values.is_floating_point():
        raise ShapeError(f"expected float {expected}, got {tuple(values.shape)} {values.dtype}")


def check_width(features: Tensor, n_features: int) -> None:
    """Check that features are (n, d) with `d = n_features`.

    Raises:
        ShapeError: another shape.
    """
    if features.ndim != 2 or features.shape[1] != n_features:
        raise ShapeError(f"expected features (n, {n_features}), got {tuple(features.shape)}")


def check_labels(labels: Tensor, n_classes: int) -> None:
    """Check that labels are class indices; -1 (OOD), -100 (ignored) and indices >= C are refused.

    Reads two numbers back from the labels' device: microseconds on a CPU, a synchronisation on a GPU.

    Args:
        labels: (n,) int64 in [0, C).
        n_classes: C.

    Raises:
        ShapeError: labels are not (n,) int64.
        DataError: a label outside [0, C).
    """
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise ShapeError(f"expected labels (n,) int64, got {tuple(labels.shape)} {labels.dtype}")
    if len(labels) == 0:
        return
    low, high = torch.stack(labels.aminmax()).tolist()  # one transfer, not two
    if low < 0 or high >= n_classes:
        outside = ((labels < 0) | (labels >= n_classes)).nonzero()[:, 0]
        raise DataError(
            f"expected labels in [0, {n_classes}), found {len(outside)} others of {len(labels)}, the first is "
            f"{int(labels[outside[0]])} at row {int(outside[0])}: leave OOD and unlabelled texts out"
        )


def check_finite(values: Tensor, name: str) -> None:
    """Check that all rows (n, k) are finite, as those of a diverged model are not; `name` describes them.

    Raises:
        DataError: a row holds NaN or infinity.
    """
    broken = (~torch.isfinite(values).all(-1)).nonzero()[:, 0]
    if len(broken):
        raise DataError(
            f"expected finite {name}, found {len(broken)} of {len(values)} rows with NaN or infinity, the first is row "
            f"{int(broken[0])}: the model has diverged; lower its learning rates (optimizer.lr, optimizer.head_lr), or "
            "train in full precision (trainer.lightning.precision=32-true)"
        )


def check_fit_data(features: Tensor, labels: Tensor, n_classes: int, n_features: int) -> None:
    """Check features and labels that a density is to be fitted to.

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
    check_labels(labels, n_classes)
    if len(labels) != n:
        raise ShapeError(f"expected labels ({n},), got {tuple(labels.shape)}")
    check_finite(features, "features")


def shown(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    text = ", ".join(names[:_NAMES_SHOWN])
    return text if len(names) <= _NAMES_SHOWN else f"{text} and {len(names) - _NAMES_SHOWN} more"
