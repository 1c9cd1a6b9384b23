"""Answers of the labelling page (jsonl) and filled-in sheets (csv)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.found import told
from benchmarks.fuzz.ledgers import TEXT_OF, UIDS, Place, open_ledger, rehearse
from benchmarks.fuzz.nasty import SURROGATES, WITH_NUL, damaged, json_values, labels, texts
from benchmarks.fuzz.outcome import Outcome, difference
from benchmarks.fuzz.reference_answers import answer_of_row, is_open
from benchmarks.fuzz.reference_json import json_value
from benchmarks.fuzz.reference_rows import Unreadable
from benchmarks.fuzz.tables import quoted_cell
from vos.errors import DataError
from vos.labeling import read_labels

TIMES = (
    "2026-11-21T10:00:00Z",
    "2026-11-21T10:00:00+05:30",
    "2026-11-21T10:00:00",
    "20261121T100000Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-11-21",
    "yesterday",
    "",
)
ANSWERS = ("harmful", "harmless", "Harmful ", "HARM", "unsure", "skip", "withdrawn", "answer:skip", "class:skip", "1")
PEOPLE = ("ann", "bob", "Ånn 😀", "=cmd", "../x", "a\nb", "", " ", *SURROGATES, *WITH_NUL)
SHEET = ("uid", "batch_id", "text", "label", "comment", "annotator")


@dataclass
class AnswerCase:
    """One file of answers.

    Attributes:
        ending: of its name.
        content: its bytes.
        settled: the reference can read it to the letter.
    """

    ending: str
    content: bytes
    settled: bool


def _span(uid: str) -> dict[str, Any]:
    text = TEXT_OF[uid]
    return {"start": 0, "end": min(4, len(text)), "text": text[:4]}


@st.composite
def _row(draw: st.DrawFn) -> dict[str, Any]:
    """An answer as the page writes it, with up to two fields that are something else."""
    uid = draw(st.sampled_from(UIDS))
    row: dict[str, Any] = {
        "uid": uid,
        "annotator": draw(st.sampled_from(("ann", "bob"))),
        "label": draw(st.sampled_from(("harmful", "harmless"))),
        "labelled_at": TIMES[0],
        "tool": "page",
        "batch_id": "b0",
        "spans": draw(st.sampled_from(([], [_span(uid)]))),
        "comment": draw(texts()),
        "seconds": draw(st.sampled_from((1.5, 0, None))),
        "repeat": draw(st.integers(0, 1)),
        "revision": draw(st.integers(0, 3)),
        "schema_version": 1,
    }
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        name = draw(st.sampled_from(list(OTHERWISE)))
        row[name] = draw(OTHERWISE[name])
    for name in draw(st.sampled_from(((), (), (), ("uid",), ("label",), ("annotator",), ("spans", "tool")))):
        row.pop(name, None)
    return row


ANY_VALUE = json_values()
OTHERWISE: dict[str, st.SearchStrategy[Any]] = {
    "uid": st.sampled_from(("0" * 32, "\ud800", "../../x", UIDS[0].upper())) | ANY_VALUE,
    "annotator": st.sampled_from(PEOPLE) | ANY_VALUE,
    "label": st.sampled_from(ANSWERS) | labels(*SURROGATES) | ANY_VALUE,
    "labelled_at": st.sampled_from(TIMES) | ANY_VALUE,
    "tool": st.just("file") | ANY_VALUE,
    "batch_id": st.sampled_from(("b1", *SURROGATES)) | ANY_VALUE,
    "text": st.sampled_from(tuple(TEXT_OF.values())) | texts(*SURROGATES),
    "text_hash": st.just("0" * 32) | ANY_VALUE,
    "spans": st.lists(st.just(_span(UIDS[0])) | ANY_VALUE, max_size=2) | ANY_VALUE,
    "comment": texts(*SURROGATES, *WITH_NUL) | ANY_VALUE,
    "seconds": ANY_VALUE,
    "raw_seconds": ANY_VALUE,
    "repeat": st.sampled_from((2, -1, 10**30, 1.0)) | ANY_VALUE,
    "revision": st.sampled_from((-1, 10**30, 10**400)) | ANY_VALUE,
    "schema_version": st.sampled_from((0, 2, "1", None, True)) | ANY_VALUE,
    "shown_prediction": ANY_VALUE,
    "changed_from_suggestion": st.sampled_from((True, False, None)) | ANY_VALUE,
    "why": ANY_VALUE,
}


@st.composite
def files(draw: st.DrawFn) -> AnswerCase:
    """A file of the page in three of four cases, else a sheet."""
    rows = draw(st.lists(_row(), max_size=4))
    if draw(st.integers(0, 3)) == 0:
        return draw(_sheet(rows))
    lines = [json.dumps(row, ensure_ascii=draw(st.integers(0, 3)) > 0) for row in rows]
    if draw(st.integers(0, 4)) == 0:
        lines += draw(
            st.lists(st.sampled_from(('{"uid": "x", "uid": "y", "label": "harmful"}', "null", "{", "")), max_size=2)
        )
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    whole = draw(st.integers(0, 3)) > 0
    return AnswerCase(".jsonl", content if whole else draw(damaged(content)), True)


@st.composite
def _sheet(draw: st.DrawFn, rows: list[dict[str, Any]]) -> AnswerCase:
    names = draw(st.sampled_from((SHEET, (*SHEET, "labelled_at", "seconds", "repeat", "spans", "shown_prediction"))))
    lines = [",".join(names)]
    for row in rows:
        row = {"text": TEXT_OF.get(str(row.get("uid")), "another"), **row}
        cells = (row.get(name, "") for name in names)
        written = ("" if cell is None else cell if isinstance(cell, str) else json.dumps(cell) for cell in cells)
        lines.append(",".join(quoted_cell(cell.replace("\0", "N"), ",", draw(st.booleans())) for cell in written))
    content = "\r\n".join(lines).encode("utf-8", "replace")
    return AnswerCase(".csv", content if draw(st.integers(0, 3)) else draw(damaged(content)), False)


def expected_of(content: bytes) -> tuple[Outcome, set[Place]]:
    """What becomes of the lines of a file of the page, and what the ledger then holds."""
    found, held, last = Outcome(), set(), 0
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8")
            line = line.lstrip("\ufeff") if number == 1 else line
            if "\0" in line:
                raise ValueError("NUL")
        except ValueError:
            if not last:
                return Outcome(refused="not text"), set()
            found.rejected[last + 1] = "not text from here on"
            break
        if not line.strip():
            continue
        last = number
        try:
            row = json_value(line)
            if not isinstance(row, dict):
                raise Unreadable("no object")
            if "label" in row and is_open(row["label"]):
                continue
            if {"uid", "why", "answers"} <= set(row):
                row = {"annotator": "adjudicator", **row}
            place = answer_of_row({"labelled_at": TIMES[0], **row})  # else the file's own time
        except Unreadable as reason:
            found.rejected[number] = str(reason)
            continue
        found.rows[number] = place[:2]
        held.add(place)
    return found, held


def check(case: AnswerCase, folder: Path) -> tuple[str, Outcome]:
    """In words, what the package does otherwise than the reference ("" for nothing), and what it found."""
    path = folder / f"answers{case.ending}"
    path.write_bytes(case.content)
    try:
        rows = read_labels(path)
    except DataError as error:
        found, held, wrong = Outcome(refused=told(error, str(path))), set(), ""
    else:
        found, held, wrong = rehearse(open_ledger(folder), rows)
    if wrong or not case.settled or b"\r" in case.content:
        return wrong, found
    expected, wanted = expected_of(case.content)
    wrong = difference([expected], found)
    if not wrong and held != wanted:
        wrong = f"the ledger holds {ascii(sorted(held - wanted))[:200]}, lacks {ascii(sorted(wanted - held))[:200]}"
    return wrong, found
