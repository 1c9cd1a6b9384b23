"""Whether bfloat16 autocast is faster on this processor: one timed product, stored in the cache."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import torch

from vos.storage.json_files import read_json, write_json

AUTO, FULL, MIXED = "auto", "32-true", "bf16-mixed"
"""`AUTO`: `MIXED` if it is faster, otherwise `FULL`. The names are Lightning's."""

LEAST_GAIN = 1.3
"""Below this speed-up rounding is not worth it; with bfloat16 instructions it is at least 2, without them below 1."""

KEPT = "bfloat16.json"
_SIZE = (256, 384, 1536)  # the feed-forward product of a small encoder over some 256 tokens
_REPEATS = 7


def settled(precision: str, accelerator: str, cache: Path) -> str:
    """Return the precision to use: `AUTO` is resolved, any other value is returned unchanged.

    Args:
        precision: value of the setting.
        accelerator: Lightning's name: "cpu", "gpu", "cuda" or "auto".
        cache: folder that stores the measured speed-up, so that every process on this machine decides alike.
    """
    if precision != AUTO:
        return precision
    if accelerator != "cpu" and torch.cuda.is_available():
        return MIXED if multiplies_bfloat16("cuda") else FULL
    return MIXED if bfloat16_gain(cache) >= LEAST_GAIN else FULL


def multiplies_bfloat16(device: str | torch.device = "cpu") -> bool:
    """Whether the device multiplies in bfloat16, and does not merely emulate it.

    Read from the processor's flags: quicker than `bfloat16_gain`, and independent of the load of the machine.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def bfloat16_gain(cache: Path | None = None) -> float:
    """How many times faster a product is in bfloat16 than in float32 on this processor.

    Args:
        cache: folder of the file that stores it by processor; None: always measure.
    """
    kept = read_json(cache / KEPT) if cache is not None and (cache / KEPT).exists() else {}
    name = processor()
    if name not in kept:
        kept[name] = round(_measured(), 2)
        if cache is not None:
            write_json(cache / KEPT, kept)
    return float(kept[name])


def processor() -> str:
    """The processor's name, from Linux if available."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@torch.no_grad()
def _measured() -> float:
    """The ratio of the smallest times, measured alternately so that other load affects both alike."""
    rows, inner, columns = _SIZE
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(rows, inner, generator=generator), torch.randn(inner, columns, generator=generator)
    pairs = {dtype: (left.to(dtype), right.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(pairs, float("inf"))
    for _ in range(_REPEATS):
        for dtype, (a, b) in pairs.items():
            started = time.perf_counter()
            a @ b
            best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] / best[torch.bfloat16]
