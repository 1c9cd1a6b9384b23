"""Batches as JSONL and CSV files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vos.errors import DataError
from vos.labeling.records import BoundaryRecord
from vos.labeling.safe_csv import write_rows
from vos.storage.atomic import numbered_lines
from vos.storage.json_files import write_json_lines


def write_jsonl(path: Path, records: Sequence[BoundaryRecord]) -> None:
    """Write one JSON object per line, UTF-8."""
    write_json_lines(path, (record.as_dict() for record in records))


def write_csv(path: Path, records: Sequence[BoundaryRecord]) -> None:
    """Write one row per record with the columns of `BoundaryRecord.as_row`; lists are written as JSON."""
    rows = [record.as_row() for record in records]
    write_rows(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def read_jsonl(path: Path) -> list[BoundaryRecord]:
    """Records that `write_jsonl` wrote, in this schema version or an older one.

    Raises:
        DataError: a line is not such a record; the message names file and line.
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
