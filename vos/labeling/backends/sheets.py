"""Answers as JSONL and CSV files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vos.errors import DataError
from vos.labeling.batch_files import FORMULA_STARTS, neutralise
from vos.labeling.label import LABEL_TYPES, Label, label_from_dict
from vos.labeling.records import BoundaryRecord
from vos.storage.atomic import numbered_lines, read_utf8, write_atomically
from vos.storage.text_ids import text_uid

TRUE = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row on its way in.

    Attributes:
        source: file name or address of the tool.
        line: line of the file, or number of the row in the tool's answer.
        label: the answer, or None when the row cannot be read.
        error: why not; "" when it can.
    """

    source: str
    line: int
    label: Label | None
    error: str = ""


def read_row(source: str, line: int, values: Any, label_map: Mapping[str, str] | None = None) -> LabelRow:
    """One row from plain values; a row that cannot be read carries the reason.

    Args:
        source: see `LabelRow`.
        line: see `LabelRow`.
        values: of one `Label`, optionally with the `text`, which must then have the hash `uid`.
        label_map: raw answer to class name, "unsure" or "skip"; answers not in it stay as they are.
    """
    try:
        if isinstance(values, dict) and isinstance(values.get("text"), str):
            _check_uid(values)
        if isinstance(values, dict) and label_map:
            values = {**values, "label": label_map.get(str(values.get("label")), values.get("label"))}
        return LabelRow(source, line, label_from_dict(values))
    except DataError as error:
        return LabelRow(source, line, None, str(error))


def _check_uid(values: dict[str, Any]) -> None:
    """Also takes a text with the apostrophe that our CSV puts before formulas."""
    text = values["text"]
    texts = [text, text[1:]] if text[:1] == "'" and text[1:].startswith(FORMULA_STARTS) else [text]
    if values.get("uid") not in [text_uid(each) for each in texts]:
        raise DataError("the text has changed since it was exported (its hash is not the uid)")


def read_labels(
    path: str | Path, label_map: Mapping[str, str] | None = None, annotator: str | None = None
) -> list[LabelRow]:
    """Rows of a `.jsonl` file (the labelling page's, or ours) or of a `.csv` file with the same names.

    A half-written or damaged row becomes a row with an error; the others are read all the same. Rows of a CSV file
    without an answer are passed over: people fill in a part of a batch.

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
    missing = {"labelled_at": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()}
    if annotator:
        missing["annotator"] = annotator
    last = 1
    try:
        for row in reader:
            first, last = last + 1, reader.line_num
            if None in row or None in row.values():
                yield LabelRow(path.name, first, None, f"expected {len(names)} cells; the line is cut off or has more")
            elif row["label"].strip():
                yield _csv_row(path.name, first, row, missing, label_map)
    except csv.Error as error:
        yield LabelRow(path.name, last + 1, None, f"damaged CSV from here on: {error}")


def _csv_row(
    source: str, line: int, row: Mapping[str, str], missing: Mapping[str, str], label_map: Mapping[str, str] | None
) -> LabelRow:
    try:
        values = {name: _csv_value(name, cell) for name, cell in row.items()}
    except ValueError as error:
        return LabelRow(source, line, None, f"a cell cannot be read: {error}")
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return read_row(source, line, {**missing, **given}, label_map)


def _csv_value(name: str, cell: str) -> Any:
    """The JSON value of a cell; None for an empty optional one."""
    types = LABEL_TYPES.get(name, (str,))
    if name == "spans":
        return json.loads(cell or "[]")
    if str in types:
        text = cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA_STARTS) and name != "text" else cell
        return text if text or type(None) not in types else None
    if bool in types:
        if not cell and type(None) in types:
            return None
        if cell.strip().lower() not in TRUE:
            raise ValueError(f"{name}: expected true or false, got {cell!r}")
        return TRUE[cell.strip().lower()]
    if not cell.strip():
        return None
    return float(cell) if float in types else int(cell)


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write a `.jsonl` or `.csv` file that `read_labels` reads back."""
    labels = list(labels)
    if path.suffix == ".jsonl":
        write_atomically(path, "".join(json.dumps(each.as_dict(), ensure_ascii=False) + "\n" for each in labels))
    elif path.suffix == ".csv":
        write_atomically(path, _csv(labels))
    else:
        raise DataError(f"{path}: expected a name that ends in .jsonl or .csv")


def _csv(labels: Sequence[Label]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(["uid", "annotator", "label", "labelled_at", *list(Label.__dataclass_fields__)[4:]])
    for label in labels:
        values = label.as_dict()
        values["spans"] = json.dumps(values["spans"], ensure_ascii=False)
        writer.writerow([_cell(value) for value in values.values()])
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else neutralise(value)


def write_blind_csv(path: Path, records: Sequence[BoundaryRecord], batch_id: str, annotator: str = "") -> None:
    """A sheet to fill in: text and empty columns for the answer; no score, side or source.

    Args:
        path: of the file.
        records: the texts.
        batch_id: comes back with the answers.
        annotator: who fills it in, when that is known.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(["uid", "batch_id", "text", "label", "comment", "annotator"])
    writer.writerows(
        [record.uid, batch_id, neutralise(record.text), "", "", neutralise(annotator)] for record in records
    )
    write_atomically(path, buffer.getvalue())
