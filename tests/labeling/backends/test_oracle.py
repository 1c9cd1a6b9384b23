"""Stored answers of an oracle: for which texts they may be used, and that they are marked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.labeling.examples import make_record
from vos.data import FileData
from vos.errors import ConfigError
from vos.labeling import Ledger, current_labels, import_labels, text_uid
from vos.labeling.backends.oracle import OracleImporter, answered_by_oracle, oracle_rows

CLASSES = ("harmless", "harmful", "unsure")


@pytest.fixture
def answers(texts):
    return {text_uid(text): CLASSES[i % 3] for i, text in enumerate(texts)}


def test_every_text_that_was_asked_gets_its_one_answer(ledger, texts, answers):
    ledger.propose([make_record("proposed and never asked")])
    answers[text_uid("proposed and never asked")] = "harmful"
    assert import_labels(ledger, oracle_rows(ledger, answers), CLASSES, dry_run=True).counts["new"] == len(texts)
    assert answered_by_oracle(ledger) == set()
    assert import_labels(ledger, oracle_rows(ledger, answers), CLASSES).counts["new"] == len(texts)
    held = current_labels(ledger)
    assert {uid: [label.class_name for label in labels] for uid, labels in held.items()} == {
        text_uid(text): [CLASSES[i % 3]] for i, text in enumerate(texts)
    }
    assert {(label.annotator, label.tool, label.batch_id) for [label] in held.values()} == {("oracle", "oracle", "b0")}
    assert {event.who for event in ledger.events("labelled")} == {"oracle"}
    assert answered_by_oracle(ledger) == set(held)
    assert oracle_rows(ledger, answers) == []


def test_what_people_answered_or_what_measures_people_is_not_asked_of_it(ledger, texts, answers, label_of, caplog):
    uids = [text_uid(text) for text in texts]
    ledger.record_label(label_of(texts[0], "harmful", who="ann"))
    ledger.record_label(label_of(texts[1], "skip", who="ann"))
    ledger.adjudicate(replace(label_of(texts[2], "harmful", who="carla"), batch_id="b0"))
    ledger.export("b1", "page", [uids[3]], "gold", {uids[3]: {"answer": "harmful"}})
    ledger.export("b1", "page", [uids[4]], "agreement", {uids[4]: {"pending": True}})
    del answers[uids[5]]
    rows = oracle_rows(ledger, answers)
    assert [row.label.uid for row in rows] == [uids[4], uids[6], uids[7]]
    assert {row.label.batch_id for row in rows} == {"b0"}  # b1 was never sent
    assert "no stored answer for 1 texts of the batch: they wait for people" in caplog.text
    import_labels(ledger, rows, CLASSES)
    assert answered_by_oracle(ledger) == {uids[4], uids[6], uids[7]}


def test_only_batches_of_the_run_are_answered(tmp_path):
    records = [replace(make_record(f"text {i}"), run_hash=("one", "two")[i % 2]) for i in range(6)]
    stored = {record.uid: "harmful" for record in records}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "page", [record.uid for record in records])
        assert [row.label.uid for row in oracle_rows(ledger, stored, "two")] == [r.uid for r in records[1::2]]
        assert len(oracle_rows(ledger, stored)) == 6
        assert oracle_rows(ledger, stored, "three") == []


def test_data_without_stored_answers_are_refused():
    with pytest.raises(ConfigError, match=r"answers are stored \(data=embedded\), found FileData"):
        OracleImporter(FileData(train="texts.csv"))
