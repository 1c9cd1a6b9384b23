"""The adjudication sheet: filled in by one person, it decides open texts."""

from __future__ import annotations

import csv
import os

import pytest

from vos.errors import DataError
from vos.labeling import Label, consensus, import_labels, text_states, text_uid
from vos.labeling.backends import FileImporter
from vos.labeling.backends.files import ADJUDICATION, write_adjudication_csv
from vos.labeling.state import adjudicated

CLASSES = ("harmless", "harmful")
TIE, DOUBT, FORMULA = 'a ladder, "so" he said\r\nstood there', "was it a fall?", "=HYPERLINK(1) he fell"


@pytest.fixture
def sheet(ledger, texts, label_of, record_of, tmp_path):
    """`adjudicate.csv` of three open texts and one that is settled."""
    ledger.propose(record_of(text) for text in (TIE, DOUBT, FORMULA))
    for text, answers in ((TIE, "hs"), (DOUBT, "u"), (FORMULA, "hsu"), (texts[0], "h")):
        for person, letter in enumerate(answers):
            answer = {"h": "harmful", "s": "harmless", "u": "unsure"}[letter]
            ledger.record_label(label_of(text, answer, who=f"=p{person}"))
    path = tmp_path / "adjudicate.csv"
    assert write_adjudication_csv(path, ledger) == 3
    assert text_uid(texts[0]) not in path.read_text(encoding="utf-8")
    return path


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill_in(path, answers, **cells):
    """Write the answers, text to label, into the sheet as a spreadsheet would."""
    rows = read(path)
    by_uid = {text_uid(text): label for text, label in answers.items()}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ADJUDICATION)
        writer.writeheader()
        for row in rows:
            filled = {"label": by_uid[row["uid"]], **cells} if row["uid"] in by_uid else {}
            writer.writerow(row | filled)


def bring(ledger, path, **options):
    return import_labels(ledger, FileImporter(str(path)).rows(ledger), CLASSES, **options)


def found(report):
    return {name: count for name, count in report.counts.items() if count}


def test_filled_in_it_settles_its_texts_and_leaves_empty_cells_open(ledger, sheet):
    assert sorted(row["why"] for row in read(sheet)) == ["tie", "unsure", "unsure"]
    fill_in(sheet, {TIE: "harmful", FORMULA: "harmless"}, comment="looked at it twice", annotator="carla")
    report = bring(ledger, sheet)
    assert (report.rows, found(report), report.exit_code) == (2, {"adjudicated": 2}, 0)
    settled = consensus(ledger)
    assert (settled.labels[text_uid(TIE)], settled.labels[text_uid(FORMULA)]) == ("harmful", "harmless")
    assert settled.quality[text_uid(TIE)] == 1.0
    assert settled.open == {text_uid(DOUBT): "unsure"}
    assert text_states(ledger)[text_uid(TIE)] == "adjudicated"
    event = ledger.events("adjudicated", uid=text_uid(TIE))[0]
    assert (event.who, event.payload["comment"]) == ("carla", "looked at it twice")
    assert len(ledger.labels(text_uid(TIE))) == 2  # what people said stays


def test_the_same_sheet_again_changes_nothing_saved_anew_or_not(ledger, sheet):
    fill_in(sheet, {TIE: "harmful", DOUBT: "skip"})
    assert found(bring(ledger, sheet)) == {"adjudicated": 2}
    assert found(bring(ledger, sheet)) == {"duplicate": 2}
    saved = sheet.stat().st_mtime - 100
    os.utime(sheet, (saved, saved))
    assert found(bring(ledger, sheet)) == {"duplicate": 2}
    assert [event.who for event in ledger.events("adjudicated")] == ["adjudicator"] * 2
    assert text_uid(DOUBT) not in {**consensus(ledger).labels, **consensus(ledger).open}  # settled: not to be used


def test_another_answer_holds_when_it_is_newer(ledger, sheet):
    for second, label, outcome in (
        (0, "harmful", "adjudicated"),
        (200, "harmful", "duplicate"),
        (300, "harmless", "adjudicated"),
        (400, "harmless", "duplicate"),
        (350, "unsure", "older"),
    ):
        fill_in(sheet, {TIE: label})
        os.utime(sheet, (1_700_000_000, 1_700_000_000 + second))
        assert found(bring(ledger, sheet)) == {outcome: 1}
    assert adjudicated(ledger) == {text_uid(TIE): "harmless"}


def test_a_rehearsal_reports_the_same_and_keeps_nothing(ledger, sheet):
    fill_in(sheet, {TIE: "harmful"})
    assert found(bring(ledger, sheet, dry_run=True)) == {"adjudicated": 1}
    assert ledger.events("adjudicated") == []
    assert found(bring(ledger, sheet)) == {"adjudicated": 1}


def test_rows_that_cannot_be_used_are_named_and_the_others_kept(ledger, sheet):
    fill_in(sheet, {TIE: "harmful", DOUBT: "evil", FORMULA: "withdrawn"})
    with sheet.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([text_uid("unheard of"), "tie", "", "unheard of", "harmful", "", ""])
        writer.writerow([text_uid(TIE), "tie", "", "another text", "harmful", "", ""])
        writer.writerow([text_uid(TIE), "tie"])
    report = bring(ledger, sheet)
    assert found(report) == {"adjudicated": 1, "rejected": 4, "unknown": 1}
    said = "\n".join(map(str, report.findings))
    for expected in (
        "rejected: expected an answer of ['harmful', 'harmless', 'skip', 'unsure'], got 'evil'",
        "rejected: expected an answer of ['harmful', 'harmless', 'skip', 'unsure'], got 'withdrawn'",
        "unknown: no text with uid",
        "rejected: the text has changed since it was exported",
        "rejected: expected 7 cells; the line is cut off",
    ):
        assert expected in said
    assert all(str(finding).startswith("adjudicate.csv:") for finding in report.findings)
    assert set(adjudicated(ledger)) == {text_uid(TIE)}


def test_a_sheet_that_somebody_is_filling_in_keeps_their_answers(ledger, sheet, label_of, texts):
    fill_in(sheet, {TIE: "harmful", DOUBT: "harmless"}, annotator="carla")
    ledger.record_label(label_of(TIE, "harmful", who="third"))  # others have settled this one meanwhile
    ledger.record_label(label_of(texts[1], "unsure"))  # and left another open
    assert write_adjudication_csv(sheet, ledger) == 3
    rows = {row["uid"]: (row["label"], row["annotator"]) for row in read(sheet)}
    assert rows == {
        text_uid(DOUBT): ("harmless", "carla"), text_uid(FORMULA): ("", ""), text_uid(texts[1]): ("", ""),
        text_uid(TIE): ("harmful", "carla"),  # not imported yet
    }  # fmt: skip
    content = sheet.read_bytes()
    write_adjudication_csv(sheet, ledger)
    assert sheet.read_bytes() == content
    assert found(bring(ledger, sheet)) == {"adjudicated": 2}
    write_adjudication_csv(sheet, ledger)
    assert {row["uid"] for row in read(sheet)} == {text_uid(FORMULA), text_uid(texts[1])}


def test_a_file_of_another_kind_in_its_place_is_left_alone(ledger, sheet):
    sheet.write_text("uid;text;label\n1;a;harmful\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"adjudicate\.csv: expected the columns .*'answers'.*move it away"):
        write_adjudication_csv(sheet, ledger)
    assert sheet.read_text(encoding="utf-8") == "uid;text;label\n1;a;harmful\n"


def test_nothing_open_writes_nothing(ledger, tmp_path):
    assert write_adjudication_csv(tmp_path / "none.csv", ledger) == 0
    assert not (tmp_path / "none.csv").exists()


def test_it_takes_no_answer_back_and_gives_none(ledger, sheet, label_of, texts):
    ledger.record_label(label_of(texts[1], "harmful", who="adjudicator", batch_id=""))
    fill_in(sheet, {TIE: "harmful"})
    rows = FileImporter(str(sheet), complete=True).rows(ledger)
    assert found(import_labels(ledger, rows, CLASSES)) == {"adjudicated": 1}


def test_an_adjudication_of_an_older_ledger_still_holds(ledger):
    uid = next(iter(ledger.items()))
    ledger.append("adjudicated", uid, f"{uid}:0", {"label": "harmful"}, who="carla")  # as version 0.1 wrote it
    assert consensus(ledger).labels == {uid: "harmful"}
    ledger.adjudicate(Label(uid, "dora", "harmless"))
    assert consensus(ledger).labels == {uid: "harmless"}
