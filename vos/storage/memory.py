"""Returns freed memory to the system, and pauses the garbage collector."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def give_back_memory() -> None:
    """Return freed memory to the system if the C library supports it; otherwise do nothing.

    glibc keeps freed blocks of some MB once it has freed the first one, and small remaining allocations are scattered
    among them: merging 100 results of 25 MB took 440 MB more than merging one.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def without_collector() -> Iterator[None]:
    """Pause Python's garbage collector in a block that creates many objects without reference cycles.

    Otherwise it scans all of them again and again: when reading 30,000 answers, a fifth of the time.

    Example:
        >>> with without_collector():
        ...     gc.isenabled()
        False
        >>> gc.isenabled()
        True
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
