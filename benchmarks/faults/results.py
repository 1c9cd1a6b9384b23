"""Counts over the units of a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOTED = ("lost", "doubled", "damaged", "different", "tracebacks", "hung", "unexplained")
"""What may not happen: answers lost, rows doubled, something there in part, results that differ without a word, stack
traces, processes that hang, and ends that no line explains."""

COUNTS = ("units", "skipped", "told", "events", *NOTED)

Counts = dict[str, int]


def counted(units: Iterable[Mapping[str, Any]]) -> dict[str, Counts]:
    """Counts of each group of units, by its name.

    Args:
        units: what came of each, as its file has it.
    """
    found: dict[str, Counts] = {}
    for values in units:
        counts = found.setdefault(str(values["group"]), dict.fromkeys(COUNTS, 0))
        counts["units"] += 1
        counts["skipped"] += int(bool(values.get("skipped")))
        counts["told"] += len(values.get("told", []))
        counts["events"] += 0 if values.get("skipped") else int(values.get("kills", values.get("killed", 1)))
        counts["different"] += int(bool(values.get("differences")))
        for name in NOTED:
            if name != "different":
                counts[name] += int(values.get(name, 0) or 0)
    return dict(sorted(found.items()))


def total(parts: Mapping[str, Counts]) -> Counts:
    """Over all parts."""
    return {name: sum(counts[name] for counts in parts.values()) for name in COUNTS}
