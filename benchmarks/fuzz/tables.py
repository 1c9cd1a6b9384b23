"""Text files: csv, tsv, jsonl, json and parquet, with what the reference reads from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.found import load_whole, read_table
from benchmarks.fuzz.nasty import SURROGATES, SYNTAX, WITH_NUL, damaged, json_values, labels, texts
from benchmarks.fuzz.outcome import Outcome, difference
from benchmarks.fuzz.reference_json import json_rows, jsonl_rows
from benchmarks.fuzz.reference_rows import COLUMNS, Unreadable, outcome_of
from benchmarks.fuzz.reference_tables import decoded, lines, quoted_rows, split_rows
from vos.data.settings import FileFormat

ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16", "latin-1")
ENDS = ("\n", "\n", "\r\n", "\r")


@dataclass
class Case:
    """One file.

    Attributes:
        ending: of its name.
        content: its bytes.
        layout: how it is to be read.
    """

    ending: str
    content: bytes
    layout: FileFormat = field(default_factory=FileFormat)


def quoted_cell(value: str, separator: str, always: bool) -> str:
    """A cell as a careful program writes it: in quotes where it needs them."""
    needs = always or any(each in value for each in (separator, '"', "\n", "\r"))
    return '"' + value.replace('"', '""') + '"' if needs else value


@st.composite
def delimited(draw: st.DrawFn, separator: str) -> Case:
    """A csv or tsv file: written with care, in pieces of syntax, or damaged."""
    end, encoding = draw(st.sampled_from(ENDS)), draw(st.sampled_from(ENCODINGS))
    quoted = draw(st.sampled_from((None, True) if separator == "," else (None, True, False)))
    always = draw(st.booleans())

    def write(cells: tuple[str, ...]) -> str:
        if quoted is False or (quoted is None and separator == "\t" and not always):
            return separator.join(cells)
        return separator.join(quoted_cell(each, separator, always) for each in cells)

    kind = draw(st.integers(0, 3))
    rows = draw(st.lists(st.tuples(texts(), labels()), max_size=5))
    body = [write(row) for row in [*rows, *(_plain_rows() if draw(st.booleans()) else [])]]
    if kind == 0:
        body += draw(st.lists(st.text(SYNTAX, max_size=15), max_size=5))
    last = draw(st.sampled_from((end, "", end + end)))
    text = end.join([separator.join(("text", "label")), *body]) + last
    content = text.encode(encoding, "replace")
    if kind == 1:
        content = draw(damaged(content))
    return Case(".csv" if separator == "," else ".tsv", content, FileFormat(encoding=encoding, quoted=quoted))


def _plain_rows() -> list[tuple[str, str]]:
    return [(f"In the road, the baker said number {i}.", ("safe", "harm")[i % 2]) for i in range(8)]


@st.composite
def json_files(draw: st.DrawFn, ending: str) -> Case:
    """A jsonl or json file: objects with anything in them, pieces of syntax, or damaged."""
    names = st.sampled_from(("text", "label", "text", "label", "extra"))
    cells = st.one_of(json_values(), texts(*SURROGATES, *WITH_NUL), labels(*SURROGATES, *WITH_NUL))
    rows: list[Any] = draw(st.lists(st.dictionaries(names, cells, max_size=3), max_size=4))
    rows = [*({"text": text, "label": label} for text, label in _plain_rows()[: draw(st.integers(0, 8))]), *rows]
    ascii_only = draw(st.booleans())
    written = [_json(row, ascii_only) for row in rows]
    kind = draw(st.integers(0, 3))
    if kind == 0:
        written += draw(st.lists(st.sampled_from(PIECES) | st.text(SYNTAX, max_size=12), max_size=3))
    end = draw(st.sampled_from(ENDS))
    joined = f"{end}[{f',{end}'.join(written)}]" if ending == ".json" else end.join(written)
    encoding = draw(st.sampled_from(ENCODINGS))
    content = (joined + draw(st.sampled_from((end, "", " ")))).encode(encoding, "replace")
    if kind == 1:
        content = draw(damaged(content))
    return Case(ending, content, FileFormat(encoding=encoding))


PIECES = (
    '{"text": "a", "text": "b", "label": "harm"}',
    '{"text": "a", "label": "harm", "extra": {"a": 1, "a": 2}}',
    "null",
    "[]",
    "{}",
    "3",
    '"text"',
    '{"text": "a" "label": 1}',
    '{"text": "a", "label": 01}',
    '{"text": "a", "label": 1e999}',
    '{"text": "a", "label": ' + "9" * 5_000 + "}",
    '{"text": "a", "label": ' + "[" * 3_000 + "]" * 3_000 + "}",
    "[" * 100_000,
    '{"text": "a",}',
    "{'text': 'a'}",
    '{"text": "a", "label": "harm"} {"text": "b"}',
    '{"text": "\\ud83d\\ude00", "label": "\\u0041"}',
    '{"text": "a\\u2028b", "label": "harm"}',
    "\u00a0",
    "// comment",
)


def _json(row: Any, ascii_only: bool) -> str:
    return json.dumps(row, ensure_ascii=ascii_only)


def expected_of(case: Case) -> list[Outcome]:
    """What the reference allows for a file of text, often one reading."""
    try:
        text = decoded(case.content, case.layout.encoding)
        if case.ending == ".jsonl":
            return [outcome_of(jsonl_rows(text))]
        if case.ending == ".json":
            records = json_rows(text)
            # Several objects in one line cannot be told apart by it.
            return [outcome_of(records)] if len(dict(records)) == len(records) else []
    except Unreadable as reason:
        return [Outcome(refused=str(reason))]
    separator = "," if case.ending == ".csv" else "\t"
    if (lines(text) or [""])[0] != f"text{separator}label":
        return []  # the header was damaged: how the file is read is open
    quoted = _reading(quoted_rows, text, separator)
    if case.ending == ".csv" or case.layout.quoted:
        return [quoted]
    plain = _reading(split_rows, text, separator)
    return [plain] if case.layout.quoted is False or '"' not in text else [plain, quoted]


def _reading(reader: Any, text: str, separator: str) -> Outcome:
    try:
        return outcome_of(reader(text, separator), COLUMNS)
    except Unreadable as reason:
        return Outcome(refused=str(reason))


def check(case: Case, folder: Path) -> tuple[str, Outcome]:
    """In words, what the package does otherwise than the reference ("" for nothing), and what it found."""
    path = folder / f"file{case.ending}"
    path.write_bytes(case.content)
    found = read_table(path, case.layout)
    expected = expected_of(case)
    told = difference(expected, found, may_refuse=len(expected) > 1) if expected else ""
    n = len(found.rows) + len(found.rejected)
    return told or ("" if found.refused else load_whole(path, case.layout, n)), found
