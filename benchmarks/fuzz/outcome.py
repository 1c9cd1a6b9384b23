"""What a reference reader expects from a file, what was found, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ANY = object()
"""A value that the reference leaves open; a row with one may also be named as rejected."""

MAY = object()
"""In place of a row's values: it may be loaded, whatever it holds, or named as rejected."""


@dataclass
class Outcome:
    """Rows of one file, each loaded or named.

    Attributes:
        rows: values of each loaded row by its line.
        rejected: lines that are named as rejected.
        refused: the whole file was refused with this message; "" where it was not.
    """

    rows: dict[int, Any] = field(default_factory=dict)
    rejected: dict[int, str] = field(default_factory=dict)
    refused: str = ""


def difference(expected: list[Outcome], found: Outcome, may_refuse: bool = False) -> str:
    """In words, how `found` differs from all that the reference allows; "" where it does not.

    Args:
        expected: what the reference allows, often one reading.
        found: what the package did.
        may_refuse: the package may refuse the file as a whole although the reference reads it.
    """
    if found.refused and (may_refuse or any(each.refused for each in expected)):
        return ""
    told = [_differs(each, found) for each in expected]
    return "" if "" in told else told[0]


def _differs(expected: Outcome, found: Outcome) -> str:
    if found.refused:
        return f"refused ({found.refused[:200]}), the reference reads {len(expected.rows)} rows"
    if expected.refused:
        return f"read {len(found.rows)} rows, the reference refuses the file: {expected.refused[:200]}"
    lines = {*expected.rows, *expected.rejected}
    if lost := sorted(lines - {*found.rows, *found.rejected}):
        return f"rows that are neither loaded nor named: lines {lost[:5]}"
    if made := sorted({*found.rows, *found.rejected} - lines):
        return f"rows that the file does not have: lines {made[:5]}"
    for line, values in found.rows.items():
        wanted = expected.rows.get(line)
        if wanted is MAY:
            continue
        if wanted is None:
            return f"line {line}: loaded as {_short(values)}, the reference rejects it: {expected.rejected[line]}"
        if not _same(wanted, values):
            return f"line {line}: loaded as {_short(values)}, the reference has {_short(wanted)}"
    for line, reason in found.rejected.items():
        if line in expected.rows and not _open(expected.rows[line]):
            return f"line {line}: rejected ({reason[:100]}), the reference has {_short(expected.rows[line])}"
    return ""


def _open(wanted: Any) -> bool:
    return wanted is MAY or (isinstance(wanted, tuple) and any(each is ANY for each in wanted))


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, tuple) and isinstance(found, tuple) and len(wanted) == len(found):
        return all(map(_same, wanted, found))
    return wanted is ANY or (type(wanted) is type(found) and wanted == found)


def _short(values: Any) -> str:
    shown = ascii(values)
    return shown if len(shown) <= 160 else f"{shown[:157]}..."
