"""What scores, losses and metrics ask of the tensors that they are given."""

from __future__ import annotations

import torch
from torch import Tensor

from vos.errors import ShapeError


def at_least_float32(values: Tensor) -> Tensor:
    """Half-precision values as float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_rows(values: Tensor, expected: str) -> None:
    """Refuse what are not rows of at least one float; `expected` names them and their shape.

    Raises:
        ShapeError: not two dimensions, no column, or not floats.
    """
    if values.ndim != 2 or values.shape[1] == 0 or not values.is_floating_point():
        raise ShapeError(f"expected float {expected}, got {tuple(values.shape)} {values.dtype}")
