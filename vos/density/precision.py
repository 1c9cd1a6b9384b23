"""Buffers whose precision is part of their meaning."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class FixedPrecision(nn.Module):
    """A module whose tensors follow `.to(device)` and keep their dtype under `.half()` and `.to(dtype)`.

    A covariance factor in half precision is no factor, and a round trip through it cannot be undone; so a cast of the
    model that contains this module moves it and changes no digit of it.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedPrecision:
        def device_only(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(device_only, recurse)  # type: ignore[no-untyped-call]
        return self
