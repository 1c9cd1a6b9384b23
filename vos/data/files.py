"""Rows of csv, tsv, jsonl, json and parquet files, lazily, with the line where each row starts."""

from __future__ import annotations

import codecs
import csv
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vos.errors import DataError
from vos.storage.extras import optional

Row = tuple[int, dict[str, Any]]
"""Line where the row starts (row number for parquet), counted from 1, and its values by column name."""

WRONG_WIDTH = "\0wrong width"
"""Key of a row whose number of fields is not the header's; the value is the pair (found, expected). Files with a NUL
byte are refused, so no column has this name."""

PARQUET_BATCH = 1024
"""Rows in memory at a time."""

NO_FIELD_LIMIT = 2**31 - 1
"""Largest limit that fits a C long on every platform."""

_FIELD_LIMIT_LOCK = threading.Lock()


def read_rows(path: str | Path, quoted: bool | None = None) -> Iterator[Row]:
    """Rows of a file, by its suffix: .csv, .tsv, .jsonl, .ndjson, .json or .parquet.

    Args:
        path: the file.
        quoted: whether fields of csv and tsv may stand in double quotes; None means yes for csv and no for tsv.

    Raises:
        DataError: no such file, unknown suffix, or content that is not of that kind (while iterating).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(READERS)}, found the ending {suffix!r}")
    if not path.is_file():
        raise DataError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'nothing there'}")
    return READERS[suffix](path, quoted)


def read_csv(path: Path, quoted: bool | None = None) -> Iterator[Row]:
    """Rows of a comma-separated file with a header; quoted fields may hold line breaks (RFC 4180)."""
    return _named(path, _records(path, ",", quoted is not False))


def read_tsv(path: Path, quoted: bool | None = None) -> Iterator[Row]:
    """Rows of a tab-separated file with a header; a double quote is a plain character unless `quoted`."""
    return _named(path, _records(path, "\t", quoted is True))


def read_jsonl(path: Path, quoted: bool | None = None) -> Iterator[Row]:  # noqa: ARG001 - one signature for all readers
    """Objects of a file with one JSON object a line; blank lines are passed over."""
    for number, line in decoded_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number}: column {error.colno}: not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: JSON that cannot be read: {error}") from error
        yield number, _as_object(value, f"{path}:{number}")


def read_json(path: Path, quoted: bool | None = None) -> Iterator[Row]:  # noqa: ARG001 - one signature for all readers
    """Objects of a file that is one JSON array of objects. The file's text is held in memory, its objects are not."""
    text = "".join(line for _, line in decoded_lines(path))
    decoder = json.JSONDecoder()
    try:
        position = _skip_space(text, 0)
        if position == len(text):
            return
        if text[position] != "[":
            raise DataError(_not_an_array(path, text))
        position = _skip_space(text, position + 1)
        line, counted = 1, 0
        while text[position : position + 1] != "]":
            line, counted = line + text.count("\n", counted, position), position
            value, position = decoder.raw_decode(text, position)
            yield line, _as_object(value, f"{path}:{line}")
            position = _skip_space(text, position)
            if text[position : position + 1] == ",":
                position = _skip_space(text, position + 1)
            elif text[position : position + 1] != "]":
                raise json.JSONDecodeError("expected ',' or ']' after an object", text, position)
        position = _skip_space(text, position + 1)
        if position != len(text):
            raise json.JSONDecodeError("expected nothing after the array", text, position)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: column {error.colno}: not JSON: {error.msg}") from error
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # numbers too long, or too deep a nesting
        raise DataError(f"{path}: JSON that cannot be read: {error}") from error


def read_parquet(path: Path, quoted: bool | None = None) -> Iterator[Row]:  # noqa: ARG001 - one signature for all readers
    """Rows of a parquet file, `PARQUET_BATCH` in memory at a time; the line is the row number."""
    pyarrow = optional("pyarrow", "parquet", f"{path}: a Parquet file")  # here: it takes a noticeable part of a second
    parquet = importlib.import_module("pyarrow.parquet")

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: after row {number}: expected a parquet file, found: {reason}") from error
    except UnicodeDecodeError as error:
        rows = f"rows {number + 1} to {number + PARQUET_BATCH}"
        raise DataError(f"{path}: a string in {rows} is not valid UTF-8: {error.reason}") from error


READERS: dict[str, Callable[[Path, bool | None], Iterator[Row]]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
}
"""Readers by suffix."""


def decoded_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a UTF-8 file with their line breaks, without a byte order mark.

    Lines end at a line feed alone: other separators of Unicode are text.

    Raises:
        DataError: invalid UTF-8 or a NUL byte; names line and byte column, counted from 1.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            mark = len(codecs.BOM_UTF8) if number == 1 and raw.startswith(codecs.BOM_UTF8) else 0
            if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise DataError(f"{path}:1: byte 1: expected UTF-8, found UTF-16; save the file as UTF-8")
            if b"\0" in raw:
                raise DataError(f"{path}:{number}: byte {raw.index(0) + 1}: expected text, found a NUL byte")
            try:
                yield number, raw[mark:].decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"{path}:{number}: byte {mark + error.start + 1}"
                found = f"0x{error.object[error.start]:02x} ({error.reason})"
                raise DataError(f"{where}: expected UTF-8, found {found}; convert the file to UTF-8") from error


@contextmanager
def _no_field_limit() -> Iterator[None]:
    """Lift the limit of the csv module, which is state of the whole process, and put it back."""
    with _FIELD_LIMIT_LOCK:
        before = csv.field_size_limit(NO_FIELD_LIMIT)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _records(path: Path, delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Fields of each record with the line where it starts; blank lines are passed over."""
    if not quoted:
        for number, line in decoded_lines(path):
            if content := line.rstrip("\r\n"):
                yield number, content.split(delimiter)
        return
    # strict: otherwise a quote that is never closed swallows the rest of the file without a word
    reader = csv.reader((line for _, line in decoded_lines(path)), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            with _no_field_limit():
                fields = next(reader, None)
        except csv.Error as error:
            hint = "a double quote inside a quoted field is written twice"
            raise DataError(f"{path}:{start}: the row that starts here is not valid: {error}; {hint}") from error
        if fields is None:
            return
        if fields:
            yield start, fields


def _named(path: Path, records: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    """Rows by the names in the first record. See also `WRONG_WIDTH`."""
    line, header = next(records, (1, []))
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}:{line}: expected each column name once, found {twice} more than once")
    for number, fields in records:
        row: dict[str, Any] = dict(zip(header, fields, strict=False))
        if len(fields) != len(header):
            row[WRONG_WIDTH] = (len(fields), len(header))
        yield number, row


def _as_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object with named columns, found {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    kinds = {list: "an array", dict: "an object", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _not_an_array(path: Path, text: str) -> str:
    """Message for a file that does not begin with '['; raises JSONDecodeError when it is not JSON at all."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        return f"{path}: expected an array of objects, found one value after another; rename the file to .jsonl"
    found = (
        f"an object with the keys {', '.join(map(repr, list(value)[:8]))}" if isinstance(value, dict) else _kind(value)
    )
    return (
        f'{path}: expected an array of objects such as [{{"text": ..., "label": ...}}], found {found}; '
        "write the rows of each split as such an array, or one object a line as .jsonl"
    )


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
