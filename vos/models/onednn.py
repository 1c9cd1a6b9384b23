"""Products of an encoder by oneDNN, where that is faster than what torch takes.

torch gives products in float32 to MKL, which uses half the width of an AMD processor's vectors; oneDNN has all of it.
The outcome is float32 by either, and differs in the last digits. In bfloat16 torch takes oneDNN itself, but arranges
the weights anew for each batch, and its attention is made for longer texts than these.
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
"""Below this ratio of times torch's own choice stays.

It is 2.2 on an AMD processor, and should be 1 where MKL uses the whole width: far enough from either that two processes
on one machine, which measure it anew, decide alike.
"""

SHORT = 128
"""Tokens up to which the whole table of attention is cheaper than torch's kernel, which goes over it in blocks."""

_SIZE = (256, 384, 1536)  # the feed-forward product of a small encoder over some 256 tokens
_REPEATS = 5
_TOLERANCE = 1e-4  # of products of standard normal numbers over the square root of their number


class Products:
    """How the products of an encoder are computed: made for weights that stay as they are, entered by every thread.

    Args:
        device: of the encoder.
        bfloat16: under autocast; else in float32.
    """

    def __init__(self, device: torch.device, bfloat16: bool) -> None:
        self.device, self.bfloat16 = device, bfloat16
        self._packed: dict[int, tuple[Tensor, Tensor]] = {}
        pays = multiplies_bfloat16() and _is_there() if bfloat16 else gain() >= LEAST_GAIN
        self._by_onednn = device.type == "cpu" and pays

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within it, and without gradients, products are computed so in the thread that enters it."""
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
        """The weight in bfloat16, arranged once; it is kept beside its source, so that no other takes its place."""
        kept = self._packed.get(id(weight))
        if kept is None:
            arranged = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(torch.bfloat16))
            kept = self._packed[id(weight)] = (weight, arranged)
        return kept[1]


class _ByOneDnn(TorchFunctionMode):
    """Takes the place of linear layers and of attention in the thread that enters it."""

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
        """Whether these are to be multiplied: on the CPU, in its precision, without gradients, something to do."""
        plain = weight.dtype == torch.float32 and weight.device.type == "cpu" and x.numel() > 0 and x.ndim > 1
        if self.products.bfloat16:
            precise = x.dtype in (torch.float32, torch.bfloat16)
        else:  # who calls under autocast of its own has that
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
    """Whether this torch has oneDNN, and lets it be asked."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@cache
def gain() -> float:
    """How many times faster oneDNN multiplies in float32 than what torch takes; 0 where it cannot.

    Measured once a process, in a few milliseconds of the asking thread.
    """
    if not _is_there():
        return 0.0
    rows, inner, columns = _SIZE
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, inner, generator=generator)
    weight, bias = torch.randn(columns, inner, generator=generator) / inner**0.5, torch.zeros(columns)
    ways: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (functional.linear, _linear)
    best = [float("inf")] * len(ways)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):  # whoever asks may be under autocast
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
