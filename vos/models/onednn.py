"""Matrix products of an encoder with oneDNN, if that is faster than the library that torch uses.

For float32 products torch uses MKL, which uses half the vector width of AMD processors; oneDNN uses all of it. Both
compute in float32, and the results differ in the last digits. For bfloat16 torch uses oneDNN itself, but repacks the
weights for every batch, and its attention kernel is made for longer texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from vos.models.precision import multiplies_bfloat16

LEAST_GAIN = 1.5
"""Below this speed-up torch's own choice is kept.

The speed-up is 2.2 on an AMD processor, and should be 1 if MKL uses the full vector width. The threshold is far from
both, so that two processes on one machine, which each measure it, decide alike.
"""

SHORT = 128
"""Number of tokens up to which computing the full attention matrix is cheaper than torch's blockwise kernel."""

_SIZE = (256, 384, 1536)  # the feed-forward product of a small encoder over some 256 tokens
_REPEATS = 5
_TOLERANCE = 1e-4  # of products of standard normal numbers over the square root of their number


class Products:
    """How the matrix products of an encoder are computed; for fixed weights, and entered by every thread.

    Args:
        device: device of the encoder.
        bfloat16: compute under bfloat16 autocast, otherwise in float32.
    """

    def __init__(self, device: torch.device, bfloat16: bool) -> None:
        self.device, self.bfloat16 = device, bfloat16
        self._packed: dict[int, tuple[Tensor, Tensor]] = {}
        pays = multiplies_bfloat16() and _is_there() if bfloat16 else gain() >= LEAST_GAIN
        self._by_onednn = device.type == "cpu" and pays

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Context in which products without gradients are computed this way, in the thread that enters it."""
        autocast = torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()
        with autocast, _ByOneDnn(self) if self._by_onednn else nullcontext():
            yield

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As `torch.nn.functional.linear`, of x (..., d)."""
        if not self.bfloat16:
            return _linear(x, weight, bias)
        bias = None if bias is None else bias.to(torch.bfloat16)
        return _linear(x.to(torch.bfloat16), self._arranged(weight), bias)

    def _arranged(self, weight: Tensor) -> Tensor:
        """The weight in bfloat16, packed once; stored with its source tensor, so that its id is not reused."""
        kept = self._packed.get(id(weight))
        if kept is None:
            arranged = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(torch.bfloat16))
            kept = self._packed[id(weight)] = (weight, arranged)
        return kept[1]


class _ByOneDnn(TorchFunctionMode):
    """Replaces linear layers and attention in the thread that enters it."""

    def __init__(self, products: Products) -> None:
        super().__init__()
        self.products = products

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is functional.linear and len(args) == 3 and not kwargs and self._fits(*args[:2]):
            return self.products.linear(*args)
        if func is functional.scaled_dot_product_attention and self.products.bfloat16 and len(args) == 3:
            options: dict[str, Any] = {
                name: each for name, each in (kwargs or {}).items() if isinstance(each, Tensor) or each
            }
            if not options.keys() - {"attn_mask", "scale"} and args[1].shape[-2] <= SHORT:
                return _attention(*args, **options)
        return func(*args, **(kwargs or {}))

    def _fits(self, x: Tensor, weight: Tensor) -> bool:
        """Whether oneDNN should compute this product: on the CPU, in the right dtype, no gradients, not empty."""
        plain = weight.dtype == torch.float32 and weight.device.type == "cpu" and x.numel() > 0 and x.ndim > 1
        if self.products.bfloat16:
            precise = x.dtype in (torch.float32, torch.bfloat16)
        else:  # a caller's own autocast is respected
            precise = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return plain and precise and isinstance(weight, nn.Parameter) and not torch.is_grad_enabled()


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """As `torch.nn.functional.scaled_dot_product_attention`, of (..., t, d)."""
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None:
        least = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~attn_mask, least) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1).to(value.dtype) @ value


def _is_there() -> bool:
    """Whether this build of torch has oneDNN and exposes its operators."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@cache
def gain() -> float:
    """How many times faster oneDNN multiplies in float32 than torch's default; 0 if oneDNN is missing.

    Measured once per process, in a few milliseconds of the calling thread.
    """
    if not _is_there():
        return 0.0
    rows, inner, columns = _SIZE
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, inner, generator=generator)
    weight, bias = torch.randn(columns, inner, generator=generator) / inner**0.5, torch.zeros(columns)
    ways: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (functional.linear, _linear)
    best = [float("inf")] * len(ways)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):  # the caller may be under autocast
        if not torch.allclose(functional.linear(x, weight, bias), _linear(x, weight, bias), atol=_TOLERANCE):
            return 0.0
        for _ in range(_REPEATS):
            for i, way in enumerate(ways):
                started = time.thread_time()
                way(x, weight, bias)
                best[i] = min(best[i], time.thread_time() - started)
    return best[0] / best[1]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found
