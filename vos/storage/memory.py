"""Memory that was freed, and that the process still holds."""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> None:
    """Give freed memory back to the system, where the C library can be asked to; elsewhere do nothing.

    glibc keeps freed blocks of some MB for itself once it has seen the first, and what is kept of many large files
    then lies scattered among them: merging 100 results of 25 MB took 440 MB more than merging one.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
