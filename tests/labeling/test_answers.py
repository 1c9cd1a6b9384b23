"""The rules of import."""

from __future__ import annotations

import json

import pytest

from vos.errors import DataError
from vos.labeling import (
    Span,
    current_labels,
    import_labels,
    read_labels,
    text_uid,
    write_blind_csv,
    write_labels,
)

CLASSES = ("harmless", "harmful")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_out_and_in_again_gives_the_same_answers(tmp_path, ledger, texts, label_of, kind):
    labels = [
        label_of(texts[0], comment='=1+1, "quoted",\nnew line ünï 😀', seconds=1.5, raw_seconds=3.0),
        label_of(
            texts[1], "unsure", spans=(Span(4, 10, "ladder"),), shown_prediction=True, changed_from_suggestion=False
        ),
        label_of(texts[2], "skip", who="@bob", repeat=1, revision=2, neighbours_opened=True),
    ]
    path = tmp_path / f"labels.{kind}"
    write_labels(path, labels)
    assert [row.label for row in read_labels(path)] == labels
    assert import_labels(ledger, read_labels(path), CLASSES).counts["new"] == 3
    assert import_labels(ledger, read_labels(path), CLASSES).counts["duplicate"] == 3
    assert len(ledger.labels()) == 3


def test_a_sheet_filled_in_by_hand_comes_back(tmp_path, ledger, record_of):
    texts = ["=HYPERLINK(1) he fell", "+1 for the ladder", "plain text, with comma"]
    ledger.propose(record_of(text) for text in texts)
    path = tmp_path / "sheet.csv"
    write_blind_csv(path, [record_of(text) for text in texts], "b0")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "0.1" not in path.read_text(encoding="utf-8")  # no margin, no probability
    assert ",'=HYPERLINK(1) he fell," in lines[1]
    lines[1] = lines[1].removesuffix(",,,") + ",harmful,,"
    lines[3] = lines[3].removesuffix(",,,") + ",0,,dora"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    report = import_labels(ledger, read_labels(path, {"0": "harmless"}, annotator="ann"), CLASSES)
    assert (report.rows, report.counts["new"], report.exit_code) == (2, 2, 0)
    assert current_labels(ledger)[text_uid(texts[2])][0].annotator == "dora"
    assert current_labels(ledger)[text_uid(texts[0])][0].annotator == "ann"


def test_damaged_rows_are_named_and_good_ones_kept(tmp_path, ledger, texts, label_of):
    path = tmp_path / "labels.jsonl"
    good = label_of(texts[0]).as_dict()
    rows = [
        json.dumps(good),
        json.dumps(label_of(texts[1]).as_dict())[:-20],
        json.dumps(label_of(texts[2]).as_dict() | {"schema_version": 99}),
        json.dumps(label_of(texts[3], "evil").as_dict()),
        json.dumps(label_of("never proposed").as_dict()),
        json.dumps(label_of(texts[4], spans=(Span(0, 9999, "x"),)).as_dict()),
        json.dumps(label_of(texts[4], spans=(Span(0, 3, "THE"),)).as_dict()),
        json.dumps(label_of(texts[5]).as_dict() | {"text": texts[5] + " (edited)"}),
        json.dumps(label_of(texts[5], text_hash="0" * 32).as_dict()),
        json.dumps(label_of(texts[6], labelled_at="yesterday").as_dict()),
        json.dumps(label_of(texts[6], labelled_at="2026-11-21T10:00:00").as_dict()),
        json.dumps(label_of(texts[6], who=" ").as_dict()),
        json.dumps(label_of(texts[6], seconds=-1).as_dict()),
        json.dumps(label_of(texts[6]).as_dict() | {"repeat": "1"}),
        json.dumps(label_of(texts[6]).as_dict() | {"spans": [{"start": 0.5, "end": 2, "text": "x"}]}),
        json.dumps([1]),
        json.dumps(label_of(texts[7]).as_dict()),
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert report.rows == len(rows)
    assert {name: count for name, count in report.counts.items() if count} == {"new": 2, "unknown": 1, "rejected": 14}
    assert report.exit_code == 1
    assert len(ledger.labels()) == 2
    said = "\n".join(map(str, report.findings))
    for expected in (
        "labels.jsonl:2: rejected: expected one JSON object",
        "half-written",
        "labels.jsonl:3: rejected: expected label schema_version 1, got 99",
        "labels.jsonl:4: rejected: expected an answer of ['harmful', 'harmless', 'skip', 'unsure'], got 'evil'",
        "labels.jsonl:5: unknown: no text with uid",
        "labels.jsonl:6: rejected: span 0:9999 lies outside the text",
        "labels.jsonl:7: rejected: span 0:3 should read 'THE', the text has 'the'",
        "labels.jsonl:8: rejected: the text has changed since it was exported",
        "labels.jsonl:9: rejected: the text has changed since it was exported",
        "labels.jsonl:10: rejected: labelled_at: expected ISO 8601",
        "labels.jsonl:11: rejected: labelled_at: expected a time zone",
        "labels.jsonl:12: rejected: expected a value in 'annotator'",
        "labels.jsonl:13: rejected: seconds: expected no negative time",
        "labels.jsonl:14: rejected: repeat: expected int, got '1'",
        "labels.jsonl:15: rejected: spans: expected whole numbers",
        "labels.jsonl:16: rejected: expected a JSON object, got list",
    ):
        assert expected in said


def test_damaged_csv_rows_are_named(tmp_path, ledger, texts, label_of):
    path = tmp_path / "labels.csv"
    write_labels(path, [label_of(texts[0]), label_of(texts[1]), label_of(texts[2])])
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[2] = lines[2].replace(",false,", ",maybe,", 1)
    lines[3] = lines[3][:50]
    path.write_text("\n".join(lines[:4]), encoding="utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert report.counts["new"] == 1
    said = "\n".join(map(str, report.findings))
    assert "labels.csv:3: rejected: a cell cannot be read: shown_prediction: expected true or false" in said
    assert "labels.csv:4: rejected: expected 17 cells; the line is cut off" in said


def test_a_quote_that_never_ends_is_named(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('uid,label,annotator\na,harmful,ann\nb,harmful,"ann', encoding="utf-8")
    rows = read_labels(path)
    assert rows[0].label is not None
    assert (rows[1].line, rows[1].label) == (3, None)
    assert "damaged CSV" in rows[1].error


def test_a_dry_run_reports_the_same_and_keeps_nothing(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    write_labels(path, [label_of(texts[0]), label_of("unknown")])
    rehearsed = import_labels(ledger, read_labels(path), CLASSES, dry_run=True)
    assert ledger.labels() == []
    assert import_labels(ledger, read_labels(path), CLASSES).counts == rehearsed.counts


def test_the_same_person_again_is_a_change_and_another_one_a_conflict(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    labels = [
        label_of(texts[0], "harmful"),
        label_of(texts[0], "harmless", minute=1),
        label_of(texts[0], "harmful", who="bob"),
        label_of(texts[1], "harmful"),
        label_of(texts[1], "unsure", who="bob"),
    ]
    write_labels(path, labels)
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert {k: n for k, n in report.counts.items() if n} == {"new": 4, "changed": 1, "conflict": 1}
    assert report.exit_code == 0
    assert "bob says harmful, ann said harmless" in str(report.findings[0])


def test_clocks_that_run_backwards_are_said_and_kept(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    write_labels(path, [label_of(texts[0], minute=-600), label_of(texts[1], minute=600)])
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert report.counts["clock"] == 2
    assert report.counts["new"] == 2
    assert "before its export" in str(report.findings[0])
    assert "in the future" in str(report.findings[1])


def test_files_of_other_kinds_are_refused(tmp_path):
    for name, content, message in (
        ("labels.xlsx", b"PK", "expected a .jsonl or .csv file"),
        ("missing.jsonl", None, "expected a UTF-8 text file"),
        ("latin.csv", b"uid,label\nx,\xe9", "expected a UTF-8 text file"),
        ("other.csv", b"a,b\n1,2", "expected the columns uid and label"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_labels(tmp_path / name)
