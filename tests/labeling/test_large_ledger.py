"""Performance of a ledger of millions of answers: every query uses an index, and an import reads only its own texts."""

from __future__ import annotations

import re

import pytest

from vos.labeling import Item, Ledger, answers, import_labels
from vos.labeling.answers import LabelRow
from vos.labeling.text_history import text_history

INDEXED = (
    ("text", ("UID",), r"SEARCH items USING PRIMARY KEY \(uid=\?\)"),
    ("round_of", ("UID",), r"SEARCH items USING PRIMARY KEY \(uid=\?\)"),
    ("events", (), {"uid": "UID"}, r"SEARCH events USING INDEX events_by_uid \(uid=\?\)"),
    ("events", ("sent",), {"uid": "UID"}, r"SEARCH events USING INDEX events_by_uid \(uid=\? AND kind=\?\)"),
    ("events", ("exported",), {"batch": "b0"}, r"SEARCH events USING INDEX events_by_kind \(kind=\? AND batch=\?\)"),
    ("events", ("labelled",), r"SEARCH events USING INDEX events_by_kind \(kind=\?\)"),
    ("labels", ("UID",), r"SEARCH events USING INDEX events_by_uid \(uid=\? AND kind=\?\)"),
    ("reason_against", ("UID", "b0"), r"SEARCH events USING INDEX events_by_uid \(uid=\? AND kind=\?\)"),
    ("unsent", ("b0",), r"SEARCH events USING INDEX events_by_kind \(kind=\? AND batch=\?\)"),
    ("answered", (), r"SEARCH events USING COVERING INDEX events_by_kind \(kind=\?\)"),
    ("gold", ("b0",), r"SEARCH events USING INDEX events_by_kind \(kind=\? AND batch=\?\)"),
)


@pytest.fixture
def asked(ledger):
    """The ledger, and the SQL that it runs."""
    statements: list[str] = []
    ledger._connection.set_trace_callback(statements.append)
    return ledger, statements


@pytest.mark.parametrize("case", INDEXED, ids=lambda case: f"{case[0]}{case[1]}")
def test_questions_are_answered_from_an_index(asked, texts, case):
    name, arguments, *named, plan = case
    ledger, statements = asked
    uid = Item(texts[0]).uid
    given = {key: uid if value == "UID" else value for key, value in (named[0] if named else {}).items()}
    getattr(ledger, name)(*(uid if each == "UID" else each for each in arguments), **given)
    questions = [each for each in statements if each.startswith("SELECT")]
    assert questions
    for question in questions:
        steps = [row[3] for row in ledger._connection.execute(f"EXPLAIN QUERY PLAN {question}")]
        assert re.match(plan, steps[0]), steps
        assert not any(step.startswith("SCAN") for step in steps)


def test_an_import_asks_for_its_own_texts_alone(asked, texts, label_of):
    ledger, statements = asked
    rows = [LabelRow("a", i, label_of(texts[i % 2], who=f"p{i}")) for i in range(50)]
    statements.clear()
    assert import_labels(ledger, rows, ("harmless", "harmful")).counts["new"] == 50
    questions = [each for each in statements if each.startswith("SELECT")]
    assert len(questions) == 6  # text and history of two texts; what batches asked, and which have answers
    assert sum("payload" in each for each in questions) == 2
    assert sum(each.startswith("BEGIN") for each in statements) == 1


def test_a_history_that_is_read_again_has_what_was_imported_meanwhile(ledger, texts, label_of, monkeypatch):
    monkeypatch.setattr(answers, "REMEMBERED", 1)
    told = [label_of(texts[i % 2], "harmful", who=f"p{i // 2}") for i in range(4)]
    changed = [label_of(texts[i], "harmless", who="p0", minute=1) for i in range(2)]
    rows = [LabelRow("a", i, label) for i, label in enumerate([*told, *changed, told[0]])]
    counts = import_labels(ledger, rows, ("harmless", "harmful")).counts
    assert {name: n for name, n in counts.items() if n} == {"new": 4, "changed": 2, "duplicate": 1, "conflict": 2}


def test_the_history_of_a_text(ledger, texts, label_of):
    first, later = label_of(texts[0], "harmful"), label_of(texts[0], "harmless", revision=1, minute=1)
    for label in (later, first, label_of(texts[0], "unsure", who="bob", repeat=1)):
        ledger.record_label(label)
    found = text_history(ledger, first.uid)
    assert found.text == texts[0]
    assert list(found.exported) == ["b0"]
    assert {place: label.label for place, label in found.newest.items()} == {
        ("ann", 0): "harmless", ("bob", 1): "unsure",
    }  # fmt: skip
    assert found.settled is None
    ledger.adjudicate(label_of(texts[0], "harmful", who="eve"))
    assert text_history(ledger, first.uid).settled[0] == "harmful"
    assert text_history(ledger, "0" * 32) is None


def test_a_large_ledger_holds_its_pages_in_memory(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger._connection.execute("PRAGMA cache_size").fetchone()[0] <= -100_000  # KiB
