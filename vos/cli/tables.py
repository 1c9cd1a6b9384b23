"""Formats values of reports for people."""

from __future__ import annotations

from typing import Any


def in_words(value: Any) -> str:
    """Format a value of a report: counts by name, lists with commas, four significant digits; "" for an empty value."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {in_words(each) or 'none'}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(7.4), duration(131.0), duration(7321.0)
        ('7 s', '2 min 11 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def memory(mebibytes: float) -> str:
    """An amount of memory in words.

    Example:
        >>> memory(812), memory(2280)
        ('812 MiB', '2.2 GiB')
    """
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
