"""Parquet files: columns of every type, or damaged; the reference is the data that was written."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

from benchmarks.fuzz.found import load_whole, read_table
from benchmarks.fuzz.nasty import NUMBERS, PLAIN, damaged, labels, texts
from benchmarks.fuzz.outcome import ANY, MAY, Outcome, difference
from benchmarks.fuzz.reference_rows import Unreadable, label_of, outcome_of, text_of
from vos.data.settings import FileFormat

TIME = dt.datetime(2026, 1, 1, 12, 30)
INTEGERS = st.sampled_from([n for n in NUMBERS if type(n) is int and -(2**63) <= n < 2**63])
FLOATS = st.sampled_from([n for n in NUMBERS if type(n) is float])

KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), labels()),
    "large_string": (pa.large_string(), labels()),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), labels()),
    "int64": (pa.int64(), INTEGERS),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "double": (pa.float64(), FLOATS),
    "half": (pa.float16(), st.sampled_from((0.0, 1.0, 0.5))),
    "bool": (pa.bool_(), st.booleans()),
    "list": (pa.list_(pa.string()), st.lists(labels(), max_size=2)),
    "struct": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": labels()})),
    "map": (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(labels(), INTEGERS), max_size=2)),
    "binary": (pa.binary(), st.binary(max_size=5)),
    "decimal": (pa.decimal128(20, 2), st.sampled_from((Decimal("1.00"), Decimal("0.50"), Decimal("-3.00")))),
    "date": (pa.date32(), st.just(TIME.date())),
    "seconds": (pa.timestamp("s"), st.just(TIME)),
    "nanoseconds": (pa.timestamp("ns"), st.integers(-(2**63) + 1, 2**63 - 1)),
    "zoned": (pa.timestamp("us", "Europe/Berlin"), st.just(TIME)),
    "zone_unknown": (pa.timestamp("us", "Nowhere/Land"), st.integers(0, 2**50)),
    "far": (pa.timestamp("s"), st.sampled_from((-(2**50), 2**50))),
    "duration": (pa.duration("ns"), st.integers(-(2**50), 2**50)),
    "time": (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    "null": (pa.null(), st.none()),
}
EXACT = ("string", "large_string", "dictionary", "int64", "uint64", "double", "bool", "list", "struct", "null")
"""Kinds of a label whose reading the documents settle; the others are loaded or named."""


@dataclass
class ParquetCase:
    """One file.

    Attributes:
        content: its bytes.
        rows: what was put in.
        exact: what the file holds is settled to the letter.
        whole: it was not damaged afterwards.
    """

    content: bytes
    rows: list[dict[str, Any]]
    exact: bool
    whole: bool
    ending: str = ".parquet"


@st.composite
def files(draw: st.DrawFn) -> ParquetCase:
    """A table with a text column, mostly of strings, and a label column of any kind."""
    n = draw(st.integers(0, 6))
    kind = draw(st.sampled_from(list(KINDS)))
    of_text = draw(st.sampled_from(("string", "string", "string", "large_string", "dictionary", "int64", "list")))
    label_type, values = KINDS[kind]
    text_type, odd = KINDS[of_text]
    cells = texts() if text_type in (pa.string(), pa.large_string()) or of_text == "dictionary" else odd
    label = draw(st.lists(st.none() | values, min_size=n, max_size=n))
    text = draw(st.lists(st.sampled_from(PLAIN) | cells if of_text != "int64" and of_text != "list" else cells,
                         min_size=n, max_size=n))  # fmt: skip
    columns = {"text": pa.array(text, text_type), "label": pa.array(label, label_type)}
    table = pa.table(columns)
    if draw(st.integers(0, 9)) == 0:
        table = table.append_column("label", pa.array(["x"] * n))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression=draw(st.sampled_from(("snappy", "none", "zstd", "gzip"))),
                        row_group_size=draw(st.sampled_from((2, 1024))))  # fmt: skip
    content = buffer.getvalue()
    whole = draw(st.integers(0, 2)) > 0
    rows = [{"text": one, "label": two} for one, two in zip(text, label, strict=True)]
    exact = kind in EXACT and len(table.column_names) == 2
    return ParquetCase(content if whole else draw(damaged(content)), rows, exact, whole)


def check(case: ParquetCase, folder: Path) -> tuple[str, Outcome]:
    """See `tables.check`; of a damaged file it is asked that it is read or refused, and nothing else happens."""
    path = folder / "file.parquet"
    path.write_bytes(case.content)
    found = read_table(path, FileFormat())
    if not case.whole:
        return "", found
    expected = outcome_of(enumerate(case.rows, 1))
    if not case.exact:
        expected = _open(case.rows)
    told = difference([expected], found, may_refuse=not case.exact)
    n = len(found.rows) + len(found.rejected)
    return told or ("" if found.refused else load_whole(path, FileFormat(), n)), found


def _open(rows: list[dict[str, Any]]) -> Outcome:
    """The texts are settled, the labels are not."""
    found = Outcome()
    for line, row in enumerate(rows, 1):
        try:
            found.rows[line] = (text_of(row["text"]), ANY)
        except Unreadable as reason:
            found.rejected[line] = str(reason)
            continue
        try:
            label_of(row["label"])
        except Unreadable:
            found.rows[line] = MAY
        else:
            found.rows[line] = MAY if not isinstance(row["label"], str) else found.rows[line]
    return found
