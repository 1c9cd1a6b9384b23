"""CSV files with untrusted texts that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vos.storage.atomic import write_atomically
from vos.storage.json_files import json_line

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Characters with which a cell starts that a spreadsheet executes as a formula."""


def neutralise(text: str) -> str:
    """A cell safe to open in a spreadsheet: text that would run as a formula gets a leading apostrophe.

    Example:
        >>> neutralise("=1+1"), neutralise("fine")
        ("'=1+1", 'fine')
    """
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def restore(cell: str) -> str:
    """The text that `neutralise` turned into this cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA_STARTS) else cell


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file: missing values and None empty, lists as JSON, booleans as `true` and `false`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_atomically(path, buffer.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json_line(value)
    return neutralise(value) if isinstance(value, str) else value
