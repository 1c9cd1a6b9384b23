"""Batches as JSONL and CSV files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vos.errors import DataError
from vos.labeling.records import BoundaryRecord

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these as a formula."""


def neutralise(cell: Any) -> Any:
    """A cell safe to open in a spreadsheet: text that would run as a formula gets a leading apostrophe."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return "'" + cell
    return cell


def write_atomically(path: Path, content: str) -> None:
    """Write `content` so that readers see the old file or the whole new one, never a part.

    Raises:
        DataError: the disk is full or the folder is not writable; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # processes may write the same file
    try:
        with partial.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{path} was not written, what was there before is untouched: {error}") from error


def write_jsonl(path: Path, records: Sequence[BoundaryRecord]) -> None:
    """One JSON object a line, UTF-8."""
    lines = (json.dumps(record.as_dict(), ensure_ascii=False) + "\n" for record in records)
    write_atomically(path, "".join(lines))


def write_csv(path: Path, records: Sequence[BoundaryRecord]) -> None:
    """One row a record; `probability` and `mahalanobis` become one column for each class, `parents` a JSON list."""
    rows = [_flat(record.as_dict()) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: neutralise(value) for name, value in row.items()} for row in rows)
    write_atomically(path, buffer.getvalue())


def read_utf8(path: Path) -> str:
    """Content of a UTF-8 file, without a byte order mark.

    Raises:
        DataError: the file is missing or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogatepass")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: expected a UTF-8 text file: {error}") from error


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers, blank ones left out.

    Only a line feed ends a line: `str.splitlines` would also cut at U+2028, which may stand inside a text.
    """
    return [(number, line) for number, line in enumerate(read_utf8(path).split("\n"), 1) if line.strip()]


def read_jsonl(path: Path) -> list[BoundaryRecord]:
    """Records that `write_jsonl` wrote, in this schema version or an older one.

    Raises:
        DataError: a line is not such a record; names file and line.
    """
    records = []
    for number, line in numbered_lines(path):
        try:
            records.append(BoundaryRecord.from_dict(json.loads(line)))
        except DataError as error:
            raise DataError(f"{path}:{number}: {error}") from error
        except (json.JSONDecodeError, AttributeError, TypeError) as error:
            raise DataError(f"{path}:{number}: expected one boundary record as JSON, got: {error}") from error
    return records


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{key}": part for key, part in value.items()}
        elif isinstance(value, list):
            flat[name] = json.dumps(value, ensure_ascii=False)
        else:
            flat[name] = value
    return flat
