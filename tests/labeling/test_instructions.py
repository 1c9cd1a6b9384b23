"""The question to labellers: its source, its storage with the batch, and the message if it changes."""

from __future__ import annotations

import csv
import sqlite3
from functools import partial

import pytest

from tests.hostile_texts import HOSTILE
from tests.labeling.backends.studio import CLASSES
from tests.loop.toys import CLASSES as TWO
from tests.loop.toys import record
from vos.data import EmbeddedData, FileData, HubData
from vos.errors import ConfigError
from vos.labeling import Ledger, import_labels, read_labels
from vos.labeling.answers import LabelRow
from vos.labeling.backends import PageExporter, SheetExporter
from vos.labeling.backends.page import PageBatch, PageSettings
from vos.labeling.instructions import Instructions, InstructionSettings, changes
from vos.loop.send import export_batch

RULE = Instructions("Is somebody hurt?", "A near miss is harmless.")


def test_settings_come_first_then_the_data_then_the_names_of_the_classes(record_of, tmp_path):
    def asked(*own, **settings):
        batch = PageBatch("b0", [record_of("x")], CLASSES, **dict(zip(("question", "guidelines"), own, strict=False)))
        return batch.instructions(PageSettings(**settings))

    assert asked() == Instructions("Which fits this text best: “Harmful” or “Harmless”?", "")
    assert asked(RULE.question, RULE.guidelines) == RULE
    assert asked(RULE.question, RULE.guidelines, question="Is it rude?") == Instructions("Is it rude?", "")
    path = tmp_path / "rule.MD"
    path.write_text("\ufeff# Rude\n\n<b>not bold</b>\n", encoding="utf-8")
    assert asked(RULE.question, "no", guidelines=str(path)) == Instructions(RULE.question, "# Rude\n\n<b>not bold</b>")
    assert asked(RULE.question, "no", guidelines="").guidelines == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"question": " "}, "labeling.settings.question: expected one line of at most 500 characters"),
        ({"question": "a\nb"}, "expected one line"),
        ({"question": "a" * 501}, "expected one line"),
        ({"guidelines": "nowhere.md"}, "guidelines=nowhere.md: expected a file of text in UTF-8, found none there"),
        ({"guidelines": "latin.txt"}, "guidelines=latin.txt: expected a file of text in UTF-8, got: 'utf-8' codec"),
        ({"guidelines": "a" * 100_001}, "expected at most 100000 characters, got 100001"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_any_work(settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    for kind in (InstructionSettings, PageSettings):
        with pytest.raises(ConfigError) as caught:
            kind(**settings)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["everyday", "ladder"])
def test_an_embedded_corpus_brings_the_rule_it_was_written_by(name, tmp_path):
    data = EmbeddedData(name=name).load()
    assert data.question == "Does this tell of a person who was, is or will almost certainly be hurt?"
    assert "a human being has been, is being or will almost certainly be physically hurt" in data.guidelines
    own = EmbeddedData(name=name, question="Is it sad?").load()
    assert (own.question, own.guidelines) == ("Is it sad?", "")
    assert own.fingerprint() == data.fingerprint()  # another question makes no other data


def test_files_bring_the_question_that_they_are_given(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{'toxic' if i % 2 else 'fine'}\n" for i in range(40)))
    assert FileData(train=path).load().question == ""
    assert FileData(train=path, question="Is it rude?").load().question == "Is it rude?"
    for made in (partial(FileData, train=path), partial(HubData, name_or_folder="x"), EmbeddedData):
        with pytest.raises(ConfigError, match=r"data\.question: expected one line"):
            made(question="")
    with pytest.raises(ConfigError, match="max_chars"):  # the other checks are still made
        HubData(name_or_folder="x", max_chars=0)
    with pytest.raises(ConfigError, match="encoding"):
        FileData(train=path, encoding="nothing")


@pytest.mark.parametrize("exporter", [PageExporter(), SheetExporter()], ids=["page", "sheet"])
def test_a_batch_is_kept_with_what_it_asked(tmp_path, exporter, caplog):
    records = [record(f"text {i}") for i in range(3)]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        for _ in range(2):
            sent = export_batch(ledger, records, exporter, tmp_path, TWO, own=RULE)
        assert ledger.instructions() == {sent.batch_id: [RULE]}
        assert "asked" not in caplog.text
        export_batch(ledger, records, exporter, tmp_path, TWO, own=Instructions("Is it rude?"))
        assert ledger.instructions() == {sent.batch_id: [RULE, Instructions("Is it rude?")]}
    assert f"batch {sent.batch_id} asked 'Is somebody hurt?' before" in caplog.text


def test_the_sheet_says_what_is_asked_and_comes_back(tmp_path):
    rule = Instructions("=HYPERLINK(1) Is it rude?", "\n".join(HOSTILE[:20]))
    with Ledger(tmp_path / "l.sqlite") as ledger:
        sent = export_batch(ledger, [record("one"), record("two")], SheetExporter(), tmp_path, TWO, own=rule)
        path, about = tmp_path / "to_label.csv", tmp_path / "to_label.txt"
        assert list(sent.places) == [str(path), str(about)]
        told = about.read_text(encoding="utf-8")
        assert told.startswith(f"{rule.question}\n\n{rule.guidelines}\n\nWrite into the column label one of: ")
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["question"] for row in rows} == {"'=HYPERLINK(1) Is it rude?"}
        rows[0] |= {"label": "harmful", "annotator": "ann"}
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        assert import_labels(ledger, read_labels(path), TWO.names).counts["new"] == 1


def test_a_question_that_changed_between_batches_is_said_when_answers_come(tmp_path, label_of):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ids = []
        for i, rule in enumerate((RULE, Instructions("Is it rude?"), Instructions("Is it rude?", "Irony counts."))):
            batch = [record(f"text {i}")]
            ids.append(export_batch(ledger, batch, PageExporter(), tmp_path, TWO, round=i, own=rule).batch_id)

        def doubts(number, **options):
            label = label_of(f"text {number}", batch_id=ids[number])
            return import_labels(ledger, [LabelRow("a", 1, label)], TWO.names, **options).doubts

        assert doubts(0) == []
        question = f"batch {ids[1]} asked 'Is it rude?', batch {ids[0]} before it 'Is somebody hurt?': their answers"
        assert doubts(1, dry_run=True) == doubts(1) == [f"{question} do not mean the same"]
        guidelines = f"batch {ids[2]} had other guidelines than batch {ids[1]} before it"
        assert [each.partition(":")[0] for each in doubts(2)] == [question.partition(":")[0], guidelines]


def test_a_batch_that_was_sent_anew_with_another_text_is_told():
    other = Instructions(RULE.question, "Irony counts.")
    assert changes({"b0": [RULE, other]}, {"b0"}) == [
        "batch b0 was sent again with another text of guidelines: its answers may follow either"
    ]
    assert changes({"b0": [RULE], "b1": [other]}, {"b1"}) == []  # nobody has answered the first


def test_a_ledger_from_before_this_table_gets_it_and_keeps_the_rest(ledger, texts):
    path = ledger.path
    ledger.close()
    old = sqlite3.connect(path)
    old.execute("DROP TABLE instructions")
    old.commit()
    old.close()
    with Ledger(path) as again:
        assert again.instructions() == {}
        assert len(again.items()) == len(texts)
        assert again.note_instructions("b0", RULE)
        assert not again.note_instructions("b0", RULE)
    with Ledger(path) as reader:
        assert reader.instructions() == {"b0": [RULE]}
    raw = sqlite3.connect(path)
    for statement in ("DELETE FROM instructions", "UPDATE instructions SET question = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    raw.close()
