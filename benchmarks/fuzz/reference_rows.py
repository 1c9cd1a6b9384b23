"""A second, naive implementation of what docs/files.md says about the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.fuzz.outcome import ANY, Outcome

GAPS = {"nan", "NaN", "NAN", "<NA>", "NaT"}
NO_LABEL = GAPS | {"None", "NA", "#N/A", "null", "NULL", "\\N"}
DIGITS = set("0123456789")
LONGEST = 100_000


class Unreadable(Exception):
    """A line, or with `refused` the file, that no row can be read from."""


COLUMNS = ("text", "label")


def outcome_of(records: Iterable[tuple[int, Any]], header: tuple[str, ...] = ()) -> Outcome:
    """What becomes of records, each a dict, or a string that says why it cannot be read.

    Args:
        records: by line.
        header: the names of a table's columns; () where each record has names of its own.
    """
    found = Outcome()
    records = list(records)
    names = set(header) or {name for _, row in records[:100] if isinstance(row, dict) for name in row}
    if not records:
        return Outcome(refused="no row")
    if not set(COLUMNS) <= names:
        return Outcome(refused=f"no column of {set(COLUMNS) - names}")
    for line, row in records:
        if isinstance(row, str):
            found.rejected[line] = row
            continue
        try:
            found.rows[line] = (text_of(row.get("text")), label_of(row.get("label")))
        except Unreadable as reason:
            found.rejected[line] = str(reason)
    return found


def text_of(value: Any) -> str:
    """The text that a cell holds."""
    if not isinstance(value, str):
        raise Unreadable("no string")
    if value.strip() == "" or value.strip() in GAPS:
        raise Unreadable("a gap")
    if len(value) > LONGEST:
        raise Unreadable("too long")
    check_characters(value)
    return value


def check_characters(value: str) -> None:
    """Whether UTF-8 can hold a string without NUL."""
    for character in value:
        if character == "\0" or 0xD800 <= ord(character) <= 0xDFFF:
            raise Unreadable("a character that no file of text holds")


def label_of(value: Any) -> Any:
    """The class that a cell names; `ANY` where it looks like a list, which may be one."""
    if isinstance(value, list | tuple | dict | bytes) or value is None:
        raise Unreadable("no single label")
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float):
        if value != value:
            raise Unreadable("NaN")
        return str(int(value)) if abs(value) != float("inf") and value == int(value) else str(value)
    name = str(value).strip()
    if name == "" or name in NO_LABEL:
        raise Unreadable("no label")
    check_characters(name)
    if name[0] in "[{" and name[-1] in "]}":
        return ANY
    if name.lower() in ("true", "false"):
        return name.lower().capitalize()
    return _number(name) or name


def _number(name: str) -> str:
    """A whole number written with a point or with an exponent, as its digits; "" for anything else."""
    sign, digits = (name[0], name[1:]) if name[0] in "+-" else ("", name)
    whole, point, rest = digits.partition(".")
    minus = "-" if sign == "-" else ""
    if point and rest and set(rest) == {"0"} and whole and set(whole) <= DIGITS:
        digits = whole.lstrip("0") or "0"
        return digits if digits == "0" else minus + digits
    mantissa, e, exponent = digits.lower().partition("e")
    first, _, decimals = mantissa.partition(".")
    well = len(first) == 1 and set(first + decimals) <= DIGITS and exponent[:1] in ("+", "-")
    if e and well and len(exponent) == 3 and set(exponent[1:]) <= DIGITS:
        value = float(name)
        return str(int(value)) if value == int(value) else ""
    return ""
