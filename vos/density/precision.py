"""Buffers that must keep their dtype."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class FixedPrecision(nn.Module):
    """A module whose tensors follow `.to(device)` and keep their dtype under `.half()` and `.to(dtype)`.

    A covariance factor is useless in half precision, and a cast there and back loses its digits; so casting a model
    that contains this module moves its buffers between devices but never changes their values.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedPrecision:
        def device_only(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(device_only, recurse)  # type: ignore[no-untyped-call]
        return self
