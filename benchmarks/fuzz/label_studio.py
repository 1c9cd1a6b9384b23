"""Exports of Label Studio: annotations as the server writes them, with some parts replaced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.found import told
from benchmarks.fuzz.ledgers import TEXT_OF, UIDS, Place, open_ledger, rehearse
from benchmarks.fuzz.nasty import SURROGATES, damaged, json_values, texts
from benchmarks.fuzz.outcome import Outcome
from vos.errors import DataError
from vos.labeling import exact_hash
from vos.labeling.backends.label_studio_format import rows_of_export, tasks_of_export
from vos.labeling.withdrawal import read_back

PEOPLE = {1: "ann", 2: "bob"}
ANY_VALUE = json_values()


@dataclass
class ExportCase:
    """One export.

    Attributes:
        content: its bytes.
        whole: they were not damaged afterwards.
        held: answers that must come in.
        n_rows: annotations, each of which is read or named; None where that is open.
    """

    content: bytes
    whole: bool
    held: set[Place]
    n_rows: int | None
    ending: str = ".json"


@st.composite
def _annotation(draw: st.DrawFn, uid: str) -> tuple[dict[str, Any], Place | None]:
    """As the server writes it, and what it says; None where its comment cannot be kept, so that it is named."""
    label = draw(st.sampled_from(("harmful", "harmless", "unsure")))
    text, person = TEXT_OF[uid], draw(st.sampled_from((1, 2)))
    units = len(text[:4].encode("utf-16-le")) // 2
    marked = {"start": 0, "end": units, "text": text[:4], "labels": ["reason"]}
    result = [{"from_name": "harm", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]
    if draw(st.booleans()):
        result.append({"from_name": "why", "to_name": "text", "type": "labels", "value": marked})
    comment = draw(texts()) if draw(st.booleans()) else ""
    if comment:
        result.append({"from_name": "comment", "type": "textarea", "value": {"text": [comment]}})
    cancelled = draw(st.booleans())
    value = {
        "id": draw(st.integers(1, 10**9)),
        "completed_by": draw(st.sampled_from((person, {"id": person}))),
        "result": result,
        "was_cancelled": cancelled,
        "created_at": "2026-11-21T10:00:00Z",
        "updated_at": draw(st.sampled_from(("2026-11-21T10:00:05.5Z", None))),
        "lead_time": draw(st.sampled_from((1.5, None))),
        "prediction": draw(st.sampled_from((None, {}, {"result": []}))),
    }
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in comment):
        return value, None
    return value, (uid, PEOPLE[person], "skip" if cancelled else label, 0)


@st.composite
def _elsewise(draw: st.DrawFn, value: Any) -> Any:
    """The value with one part of it, at any depth, replaced."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: draw(_elsewise(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_elsewise(value[place])), *value[place + 1 :]]
    return draw(st.sampled_from(("abc", 1e400, -3, 10**30, None, *SURROGATES, {}, [])) | ANY_VALUE)


@st.composite
def exports(draw: st.DrawFn) -> ExportCase:
    """Up to four tasks; in one half of the exports one of them is not as the server writes it."""
    tasks, held, n_rows = [], set(), 0
    for uid in draw(st.lists(st.sampled_from(UIDS), unique=True, max_size=4)):
        data = {"uid": uid, "text": TEXT_OF[uid], "text_hash": exact_hash(TEXT_OF[uid]), "batch_id": "b0"}
        told_ = draw(st.lists(_annotation(uid), max_size=2))
        annotations = [value for value, _ in told_]
        for number, each in enumerate(annotations):
            each["id"] = len(tasks) * 10 + number + 1
        tasks.append({"id": len(tasks), "data": data, "annotations": annotations})
        if draw(st.integers(0, 3)) == 0:
            tasks[-1] = draw(_elsewise(tasks[-1]))
            n_rows = None
        else:
            held |= {place for _, place in told_ if place}
            n_rows = n_rows if n_rows is None else n_rows + len(told_)
    content = json.dumps(tasks, ensure_ascii=draw(st.integers(0, 3)) > 0).encode("utf-8", "surrogatepass")
    whole = draw(st.integers(0, 4)) > 0
    return ExportCase(content if whole else draw(damaged(content)), whole, held, n_rows)


def check(case: ExportCase, folder: Path) -> tuple[str, Outcome]:
    """In words, what is wrong ("" for nothing), and what was found."""
    try:
        tasks = tasks_of_export(case.content)
    except DataError as error:
        found = Outcome(refused=told(error))
        return (f"refused: {found.refused}" if case.whole and _is_utf8(case.content) else ""), found
    exported = rows_of_export(tasks, PEOPLE, "studio")
    ledger = open_ledger(folder)
    rows = read_back(ledger, "label_studio", "studio", ((d.get("uid"), d.get("batch_id"), r) for d, r in exported))
    found, held, wrong = rehearse(ledger, rows)
    found.rows = dict(enumerate(row.label for row in rows if row.label and row.line not in found.rejected))
    if not case.whole or wrong:
        return wrong, found
    if case.n_rows is not None and len(rows) != case.n_rows:
        return f"{case.n_rows} annotations, {len(rows)} rows", found
    return f"lost: {sorted(case.held - held)}" if case.held - held else "", found


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeError:
        return False
    return True
