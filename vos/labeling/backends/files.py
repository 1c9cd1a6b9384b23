"""Answers as JSONL and CSV files, and the sheets that people fill in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vos.data.files import PLAIN, read_rows, tolerant_rows
from vos.data.json_rows import DAMAGED, WRONG_WIDTH
from vos.data.labels import cell_key
from vos.data.settings import FileFormat
from vos.errors import DataError
from vos.labeling.answers import LabelRow, read_row
from vos.labeling.consensus import adjudication_list
from vos.labeling.instructions import Instructions
from vos.labeling.item import LedgerItem
from vos.labeling.label import LABEL_TYPES, SKIP, Label
from vos.labeling.ledger import Ledger
from vos.labeling.safe_csv import restore, write_rows
from vos.labeling.state import adjudicated
from vos.storage.atomic import write_atomically
from vos.storage.json_files import write_json_lines
from vos.storage.memory import without_collector

TRUE = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

TABLES = (".csv", ".tsv", ".parquet")
"""Endings of table files, whose rows all have the same columns, and whose cells may be empty."""

ANSWER = ("label", "comment", "annotator")
"""Columns that a person fills in."""

ADJUDICATION = ("uid", "why", "answers", "text", *ANSWER)
"""Columns of the sheet of open texts; `why` and `answers` distinguish it from other sheets."""

ADJUDICATOR = "adjudicator"
"""Name of the adjudicator, if neither the sheet nor the command gives one."""


def read_labels(
    path: str | Path,
    label_map: Mapping[str, str] | None = None,
    annotator: str | None = None,
    layout: FileFormat = PLAIN,
) -> list[LabelRow]:
    """Read a file of answers: from the labelling page, a completed sheet, or any file that `read_rows` reads.

    An incomplete or damaged row becomes a row with an error; the others are read nevertheless. Rows without an answer
    are skipped, because people may answer only a part of a batch. The answers of an adjudication sheet settle their
    texts.

    Args:
        path: path of the file.
        label_map: see `read_row`.
        annotator: name of the person, for rows without one; their time is that of the file.
        layout: how the file is read.

    Raises:
        DataError: the file is missing, of another format, or unreadable from its first row on.
    """
    path = Path(path)
    rows: list[LabelRow] = []
    last = 0
    is_table = path.suffix.lower() in TABLES
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat() if path.is_file() else ""
    try:
        with without_collector():
            for line, values in tolerant_rows(path, layout, ("uid", "label")):
                if is_table:
                    _check_columns(path, values)
                last = line
                row = _label_row(path, line, values, label_map, annotator, at, is_table)
                rows += [] if row is None else [row]
    except DataError as error:
        if not last:
            raise
        rows.append(LabelRow(path.name, last + 1, None, f"damaged {path.suffix[1:].upper()} from here on: {error}"))
    return rows


def _check_columns(path: Path, values: Mapping[str, Any]) -> None:
    if not {"uid", "label"} <= values.keys():
        raise DataError(f"{path}: expected the columns uid and label, found {[n for n in values if n != WRONG_WIDTH]}")


def _label_row(
    path: Path,
    line: int,
    values: dict[str, Any],
    label_map: Mapping[str, str] | None,
    annotator: str | None,
    at: str,
    is_table: bool,
) -> LabelRow | None:
    """Read one row; None if it has no answer.

    Args:
        path: see `read_labels`.
        line: see `LabelRow`.
        values: values of the row.
        label_map: see `read_labels`.
        annotator: see `read_labels`.
        at: time of the file, for rows without a time.
        is_table: whether the file's ending is in `TABLES`.
    """
    if DAMAGED in values:
        half = " (a half-written line: load the file into the page again and download it anew)"
        return LabelRow(path.name, line, None, f"expected one JSON object: {values[DAMAGED]}{half}")
    if WRONG_WIDTH in values:
        width = values[WRONG_WIDTH][1]
        return LabelRow(path.name, line, None, f"expected {width} cells; the line is cut off or has more")
    if "label" in values and cell_key(values["label"]) is None:
        return None
    settles = _is_adjudication(values)
    missing = {"labelled_at": at}
    if annotator or settles:
        missing["annotator"] = annotator or ADJUDICATOR
    if is_table:
        try:
            values = {name: value for name, each in values.items() if (value := _cell_value(name, each)) is not None}
        except (ValueError, RecursionError) as error:
            return LabelRow(path.name, line, None, f"a cell cannot be read: {error}")
    row = read_row(path.name, line, missing | values, label_map)
    return replace(row, settles=True) if settles else row


def _is_adjudication(names: Iterable[str]) -> bool:
    return {"uid", "why", "answers"} <= set(names)


def _cell_value(name: str, cell: Any) -> Any:
    """The JSON value of a cell; None for an empty cell, which counts as missing."""
    types = LABEL_TYPES.get(name, (str,))
    if isinstance(cell, float) and cell.is_integer() and float not in types:
        cell = int(cell)  # how tables store integers with missing values
    if isinstance(cell, datetime):
        return cell.isoformat()
    if not isinstance(cell, str):
        return None if cell != cell else cell
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


def write_blind_csv(
    path: Path, items: Sequence[LedgerItem], batch_id: str, annotator: str = "", question: str = ""
) -> None:
    """Write a sheet to fill in: text, question and empty columns for the answer, without score, side or source.

    Args:
        path: path of the file.
        items: the texts.
        batch_id: returned with the answers.
        annotator: name of the person, if known.
        question: question on each text.
    """
    same = {"batch_id": batch_id, "question": question, "annotator": annotator}
    rows = ({"uid": item.uid, "text": item.text, **same} for item in items)
    write_rows(path, ("uid", "batch_id", "text", "question", *ANSWER), rows)


def write_instructions(path: Path, asked: Instructions, answers: Sequence[str]) -> None:
    """Write the instructions of a sheet as plain text: the question, and how to fill it in.

    Args:
        path: path of the file.
        asked: question and guidelines.
        answers: allowed answers in the column `label`, besides "skip".
    """
    told = f"{asked.guidelines}\n\n" if asked.guidelines else ""
    how = (
        f"Write into the column label one of: {', '.join([*answers, SKIP])}. Leave it empty where you have not come to "
        "the text yet. Your name goes into the column annotator; a comment may stand beside the answer."
    )
    write_atomically(path, f"{asked.question}\n\n{told}{how}\n")


def write_adjudication_csv(path: Path, ledger: Ledger) -> int:
    """Write a sheet of the unsettled texts, for one person to settle; returns the number of texts.

    Without such texts nothing is written. What a person has already filled in is kept until it is imported, also if
    other answers have settled the text meanwhile.

    Raises:
        DataError: the file exists and is not such a sheet, so it may contain somebody's work.
    """
    rows = adjudication_list(ledger)
    if rows:
        filled = _filled_in(path) if path.exists() else {}
        answers = {uid: {name: row[name] for name in ANSWER} for uid, row in filled.items()}
        others = filled.keys() - {row["uid"] for row in rows} - adjudicated(ledger).keys()
        kept = [row for uid, row in filled.items() if uid in others]
        write_rows(path, ADJUDICATION, [*(row | answers.get(row["uid"], {}) for row in rows), *kept])
    return len(rows)


def _filled_in(path: Path) -> dict[str, dict[str, str]]:
    """Rows with an answer, by uid."""
    filled = {}
    for _, row in read_rows(path, columns=ADJUDICATION):
        if not _is_adjudication(row):
            raise DataError(f"{path}: expected the columns {list(ADJUDICATION)}, found {list(row)}; move it away")
        if row.get("label"):
            filled[row["uid"]] = {name: row.get(name) or "" for name in ADJUDICATION}
    return filled
