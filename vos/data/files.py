"""Reads rows of csv, tsv, jsonl, json and parquet files lazily, with the line where each row starts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from vos.data.delimited import read_delimited
from vos.data.json_rows import DAMAGED, Row, read_json, read_jsonl
from vos.data.settings import FileFormat
from vos.errors import DataError
from vos.storage.extras import optional

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Endings of the files that can be read, in upper or lower case."""

PLAIN = FileFormat()

PARQUET_BATCH = 1024
"""Number of rows in memory at a time."""


def read_rows(path: str | Path, layout: FileFormat = PLAIN, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of a file with the ending .csv, .tsv, .jsonl, .ndjson, .json or .parquet.

    Args:
        path: the file.
        layout: how it is read.
        columns: names of wanted columns; they help to detect the separator.

    Raises:
        DataError: no such file, unknown ending, or content of another format (while iterating).
    """
    return _whole(path, tolerant_rows(path, layout, columns))


def tolerant_rows(path: str | Path, layout: FileFormat = PLAIN, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Like `read_rows`, but a single unreadable line is yielded as `DAMAGED`."""
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}, found the ending {ending!r}")
    if not path.is_file():
        raise DataError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'nothing there'}")
    if ending in (".csv", ".tsv"):
        return read_delimited(path, layout, columns)
    if ending == ".parquet":
        return read_parquet(path)
    return (read_json if ending == ".json" else read_jsonl)(path, layout.encoding)


def _whole(path: str | Path, rows: Iterator[Row]) -> Iterator[Row]:
    for number, row in rows:
        if DAMAGED in row:
            raise DataError(f"{path}:{number}: {row[DAMAGED]}")
        yield number, row


def read_parquet(path: Path) -> Iterator[Row]:
    """Rows of a parquet file, `PARQUET_BATCH` in memory at a time; the line is the row number."""
    pyarrow = optional("pyarrow", "parquet", f"{path}: a Parquet file")  # imported here because it is slow
    parquet = importlib.import_module("pyarrow.parquet")

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except UnicodeDecodeError as error:
        rows = f"rows {number + 1} to {number + PARQUET_BATCH}"
        raise DataError(f"{path}: a string in {rows} is not valid UTF-8: {error.reason}") from error
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:  # errors of single values
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: after row {number}: expected a parquet file, found: {reason}") from error
