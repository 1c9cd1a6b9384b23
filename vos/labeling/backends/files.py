"""Answers as JSONL and CSV files, and the sheets that people fill in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vos.errors import DataError
from vos.labeling.answers import LabelRow, read_row
from vos.labeling.consensus import adjudication_list
from vos.labeling.item import LedgerItem
from vos.labeling.label import LABEL_TYPES, Label
from vos.labeling.ledger import Ledger
from vos.labeling.safe_csv import restore, write_rows
from vos.storage.atomic import numbered_lines, read_utf8
from vos.storage.json_files import write_json_lines

TRUE = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

ANSWER = ("label", "comment", "annotator")
"""Columns that a person fills in."""

ADJUDICATION = ("uid", "why", "answers", "text", *ANSWER)
"""Columns of the sheet of open texts; `why` and `answers` tell it from other sheets."""

ADJUDICATOR = "adjudicator"
"""Who settled a text, where neither the sheet nor the command says it."""


def read_labels(
    path: str | Path, label_map: Mapping[str, str] | None = None, annotator: str | None = None
) -> list[LabelRow]:
    """Rows of a `.jsonl` file (the labelling page's, or ours) or of a `.csv` file with the same names.

    A half-written or damaged row becomes a row with an error; the others are read all the same. Rows of a CSV file
    without an answer are passed over: people fill in a part of a batch. The answers of an adjudication sheet settle
    their texts.

    Args:
        path: of the file.
        label_map: see `read_row`.
        annotator: who answered, for rows of a CSV file that do not say; their time is that of the file.

    Raises:
        DataError: the file is missing, not UTF-8, or of neither kind.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        return [_json_row(path, number, line, label_map) for number, line in numbered_lines(path)]
    if path.suffix == ".csv":
        return list(_csv_rows(path, label_map, annotator))
    raise DataError(f"{path}: expected a .jsonl or .csv file of labels")


def _json_row(path: Path, number: int, line: str, label_map: Mapping[str, str] | None) -> LabelRow:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        half = " (a half-written line: load the file into the page again and download it anew)"
        return LabelRow(path.name, number, None, f"expected one JSON object: {error}{half}")
    return read_row(path.name, number, values, label_map)


def _csv_rows(path: Path, label_map: Mapping[str, str] | None, annotator: str | None) -> Iterator[LabelRow]:
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""), strict=True)
    names = reader.fieldnames or ()
    if not {"uid", "label"} <= set(names):
        raise DataError(f"{path}: expected the columns uid and label, found {list(names)}")
    settles = _is_adjudication(names)
    missing = {"labelled_at": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()}
    if annotator or settles:
        missing["annotator"] = annotator or ADJUDICATOR
    last = 1
    try:
        for row in reader:
            first, last = last + 1, reader.line_num
            if None in row or None in row.values():
                yield LabelRow(path.name, first, None, f"expected {len(names)} cells; the line is cut off or has more")
            elif row["label"].strip():
                try:
                    given = {name: value for name, cell in row.items() if (value := _csv_value(name, cell)) is not None}
                except ValueError as error:
                    yield LabelRow(path.name, first, None, f"a cell cannot be read: {error}")
                else:
                    yield replace(read_row(path.name, first, missing | given, label_map), settles=settles)
    except csv.Error as error:
        yield LabelRow(path.name, last + 1, None, f"damaged CSV from here on: {error}")


def _is_adjudication(names: Iterable[str]) -> bool:
    return {"uid", "why", "answers"} <= set(names)


def _csv_value(name: str, cell: str) -> Any:
    """The JSON value of a cell; None for an empty one, which counts as one that is not there."""
    types = LABEL_TYPES.get(name, (str,))
    if name == "spans":
        return json.loads(cell or "[]")
    if str in types:
        return (cell if name == "text" else restore(cell)) or None
    if not cell.strip():
        return None
    if bool in types:
        if cell.strip().lower() not in TRUE:
            raise ValueError(f"{name}: expected true or false, got {cell!r}")
        return TRUE[cell.strip().lower()]
    return float(cell) if float in types else int(cell)


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write a `.jsonl` or `.csv` file that `read_labels` reads back."""
    rows = [label.as_dict() for label in labels]
    if path.suffix == ".jsonl":
        write_json_lines(path, rows)
    elif path.suffix == ".csv":
        write_rows(path, [field.name for field in fields(Label)], rows)
    else:
        raise DataError(f"{path}: expected a name that ends in .jsonl or .csv")


def write_blind_csv(path: Path, items: Sequence[LedgerItem], batch_id: str, annotator: str = "") -> None:
    """A sheet to fill in: text and empty columns for the answer; no score, side or source.

    Args:
        path: of the file.
        items: the texts.
        batch_id: comes back with the answers.
        annotator: who fills it in, when that is known.
    """
    rows = ({"uid": item.uid, "batch_id": batch_id, "text": item.text, "annotator": annotator} for item in items)
    write_rows(path, ("uid", "batch_id", "text", *ANSWER), rows)


def write_adjudication_csv(path: Path, ledger: Ledger) -> int:
    """A sheet of the texts that need another look, for one person to settle; returns how many they are.

    Without such a text nothing is written. What a person has filled in already stays, where its text is still open.

    Raises:
        DataError: a file is there that is not such a sheet, and might hold somebody's work.
    """
    rows = adjudication_list(ledger)
    if rows:
        filled = _filled_in(path) if path.exists() else {}
        write_rows(path, ADJUDICATION, [row | filled.get(row["uid"], {}) for row in rows])
    return len(rows)


def _filled_in(path: Path) -> dict[str, dict[str, str]]:
    """What stands in the columns `ANSWER`, by uid, of the rows with an answer."""
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""))
    if not _is_adjudication(reader.fieldnames or ()):
        raise DataError(f"{path}: expected the columns {list(ADJUDICATION)}, found {reader.fieldnames}; move it away")
    return {row["uid"]: {name: row.get(name) or "" for name in ANSWER} for row in reader if row.get("label")}
