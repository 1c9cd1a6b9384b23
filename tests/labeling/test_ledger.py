"""The ledger: nothing is lost, asked twice, or rewritten."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from vos.errors import DataError, LedgerError
from vos.labeling import Item, Label, Ledger, current_labels, state_counts, text_states, text_uid

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.mark.slow
def test_kills_at_random_instants_lose_nothing_acknowledged(tmp_path):
    done = subprocess.run(
        [sys.executable, HERE / "kill_driver.py", tmp_path, "220", "0"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == 220
    assert result["acknowledged"] > 220  # the writers did write


def test_two_processes_write_and_read_at_once(tmp_path):
    path = tmp_path / "ledger.sqlite"
    program = """
import sys
from vos.labeling.ledger import Ledger
from vos.labeling.label import Label
from vos.labeling.item import Item
from vos.storage.text_ids import text_uid
path, who = sys.argv[1:]
texts = [f"text {i}" for i in range(40)]
with Ledger(path) as ledger:
    ledger.propose(Item(t) for t in texts)
    mine = [uid for t in texts for uid in ledger.export(who, "page", [text_uid(t)]).uids]
    for uid in mine:
        ledger.record_label(Label(uid, who, "harmful", "2026-11-21T10:00:00Z", batch_id=who))
"""
    environment = {"PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([sys.executable, "-c", program, path, who], env=environment, stderr=subprocess.PIPE, text=True)
        for who in ("ann", "bob")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    with Ledger(path) as ledger:
        assert len(ledger.events("proposed")) == 40
        # Every text was asked by exactly one of them.
        assert sorted(e.uid for e in ledger.events("exported")) == sorted(text_uid(f"text {i}") for i in range(40))
        assert len(ledger.events("labelled")) == 40


def test_history_cannot_be_rewritten(ledger):
    connection = sqlite3.connect(ledger.path)
    for table in ("events", "items"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET uid = 'x'"):  # noqa: S608
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()


def test_a_text_asked_once_is_not_asked_again_unless_for_agreement(ledger, texts, label_of):
    uids = [text_uid(text) for text in texts]
    again = ledger.export("b1", "page", uids[:2])
    assert again.uids == ()
    assert "already asked in batch b0" in again.held_back[uids[0]]
    assert ledger.export("b0", "page", uids[:2]).uids == tuple(uids[:2])  # the same batch, repeated
    assert ledger.export("b2", "page", uids[:1], purpose="agreement").uids == tuple(uids[:1])
    ledger.record_label(label_of(texts[3]))
    assert ledger.export("b3", "page", uids[3:4]).held_back[uids[3]] == "already labelled"


def test_a_skipped_text_returns_once(ledger, texts, label_of):
    uid = text_uid(texts[0])
    ledger.record_label(label_of(texts[0], "skip"))
    assert ledger.export("b1", "page", [uid]).uids == (uid,)
    ledger.record_label(label_of(texts[0], "skip", who="bob", batch_id="b1"))
    assert ledger.export("b2", "page", [uid]).held_back[uid] == "skipped twice"


def test_state_follows_the_way_of_a_text(ledger, texts, label_of, record_of):
    uids = [text_uid(text) for text in texts]
    ledger.propose([record_of("one more")])
    ledger.record_label(label_of(texts[0]))
    ledger.record_label(label_of(texts[1]))
    ledger.record_label(label_of(texts[2]))
    ledger.adjudicate(Label(uids[1], "carla", "harmless"))
    assert ledger.mark_trained("run", 1, {uids[2]: "harmful"}) == 1
    assert ledger.mark_trained("run", 1, {uids[2]: "harmful"}) == 0
    ledger.record_label(label_of(texts[2], who="late"))  # does not take a trained text back
    states = text_states(ledger)
    assert [states[uid] for uid in uids[:4]] == ["labelled", "adjudicated", "trained", "exported"]
    assert state_counts(ledger) == {"proposed": 1, "exported": 5, "labelled": 1, "adjudicated": 1, "trained": 1}


def test_the_newest_answer_holds_and_clocks_come_third(ledger, texts, label_of):
    text = texts[0]
    ledger.record_label(label_of(text, "harmful", minute=0, revision=0))
    ledger.record_label(label_of(text, "harmless", minute=-60, revision=1))  # the clock ran backwards
    assert [label.label for label in current_labels(ledger)[text_uid(text)]] == ["harmless"]
    ledger.export("b1", "page", [text_uid(text)], purpose="agreement")
    ledger.record_label(label_of(text, "unsure", minute=-90, batch_id="b1"))
    assert [label.label for label in current_labels(ledger)[text_uid(text)]] == ["unsure"]
    assert len(ledger.labels(text_uid(text))) == 3  # older answers are kept


def test_the_later_clock_decides_between_equal_revisions_whatever_arrives_first(ledger, texts, label_of):
    ledger.record_label(label_of(texts[0], "harmful", minute=5))
    ledger.record_label(label_of(texts[0], "harmless", minute=1))
    assert current_labels(ledger)[text_uid(texts[0])][0].label == "harmful"


def test_a_full_disk_is_said_and_loses_nothing(ledger, texts, label_of):
    ledger.record_label(label_of(texts[0]))
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match=r"full; nothing of this step was kept, everything before it is"):
        _write_many(ledger, [label_of(texts[1], who=f"p{i}", comment="x" * 2000) for i in range(200)])
    kept = len(ledger.labels())
    assert ledger.labels(text_uid(texts[0]))
    ledger._connection.execute("PRAGMA max_page_count = 1000000")
    ledger.record_label(label_of(texts[2]))
    assert len(ledger.labels()) == kept + 1


def _write_many(ledger, labels):
    for label in labels:
        ledger.record_label(label)


def _write_and_fail(ledger, label):
    with ledger.transaction():
        ledger.record_label(label)
        raise ZeroDivisionError


def test_a_failed_step_keeps_nothing(ledger, texts, label_of):
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(ledger, label_of(texts[0]))
    assert ledger.labels() == []


def test_unknown_texts_and_foreign_files_are_refused(ledger, tmp_path):
    with pytest.raises(LedgerError, match="1 texts were never proposed, the first is nope"):
        ledger.export("b1", "page", ["nope"])
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a database, but longer than a header of SQLite, which has a hundred bytes" * 3)
    with pytest.raises(LedgerError, match=r"notes\.txt: expected a ledger"):
        Ledger(foreign)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LedgerError, match="expected ledger version 1, got 9"):
        Ledger(other)


def test_an_answer_taken_back_no_longer_holds_and_stays_in_the_history(ledger, texts, label_of):
    uid = text_uid(texts[0])
    ledger.record_label(label_of(texts[0], "harmful", revision=0))
    ledger.record_label(label_of(texts[0], "withdrawn", minute=1, revision=1))
    assert current_labels(ledger) == {}
    assert text_states(ledger)[uid] == "exported"
    assert ledger.export("b1", "page", [uid]).held_back[uid] == "already asked in batch b0, no answer yet"
    ledger.record_label(label_of(texts[0], "harmful", revision=0, minute=-1))  # an older file, late
    assert current_labels(ledger) == {}
    ledger.record_label(label_of(texts[0], "harmless", minute=2, revision=2))  # answered anew
    assert [label.label for label in current_labels(ledger)[uid]] == ["harmless"]
    assert text_states(ledger)[uid] == "labelled"
    assert len(ledger.labels(uid)) == 4


ALONE = """
import sys
from vos.labeling import Item, Label, Ledger, consensus

texts = [Item("the ladder slipped", {"forum": "roofers", "votes": [3, 1]}), Item("a quiet day")]
answers = {"ann": ("harmful", "harmless"), "bob": ("harmful", "harmful")}
with Ledger(sys.argv[1]) as ledger:
    ledger.propose(texts)
    for person, given in answers.items():
        for item, answer in zip(texts, given, strict=True):
            ledger.record_label(Label(item.uid, person, answer))
    found = consensus(ledger)
    for uid, label in found.labels.items():
        print(label, ledger.items()[uid].payload)
    print(*found.open.values(), *(name for name in ("torch", "numpy", "hydra") if name in sys.modules))
"""


def test_alone_it_takes_texts_with_any_payload_and_imports_no_torch(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, tmp_path / "ledger.sqlite"],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "harmful {'forum': 'roofers', 'votes': [3, 1]}\ntie\n"


def test_boundary_records_come_back_as_such_and_other_payloads_say_so(ledger, texts, record_of):
    record = record_of(texts[0])
    assert ledger.records([record.uid]) == {record.uid: record}
    assert ledger.items([record.uid])[record.uid] == Item(record.text, record.payload, record.uid)
    ledger.propose([Item("with nothing beside it")])
    with pytest.raises(DataError, match="expected schema_version"):
        ledger.records()
