"""The import rules."""

from __future__ import annotations

import json
import os

from vos.labeling import Span, consensus, import_labels, read_labels, text_uid, write_labels
from vos.labeling.answers import LabelRow
from vos.labeling.backends.files import write_blind_csv

CLASSES = ("harmless", "harmful")


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
    assert report.exit_code == 2
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
        "labels.jsonl:13: rejected: seconds: expected a number from 0 to 1000000000",
        "labels.jsonl:14: rejected: repeat: expected int, got '1'",
        "labels.jsonl:15: rejected: spans: expected whole numbers",
        "labels.jsonl:16: rejected: expected one JSON object: expected a JSON object with named",
    ):
        assert expected in said


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


def bring(ledger, *labels, restores=False):
    """The outcomes of an import, and what it says."""
    rows = [LabelRow("a.jsonl", n, label, restores=restores) for n, label in enumerate(labels, 1)]
    report = import_labels(ledger, rows, CLASSES)
    return {name: n for name, n in report.counts.items() if n and name != "clock"}, "\n".join(map(str, report.findings))


def test_an_answer_that_arrives_after_a_newer_one_is_older_and_starts_no_conflict(ledger, texts, label_of):
    newer, older = label_of(texts[0], "harmless", minute=1, revision=3), label_of(texts[0], "harmful", minute=2)
    assert bring(ledger, newer)[0] == {"new": 1}
    counts, said = bring(ledger, older, label_of(texts[0], "harmless", who="bob"))
    assert counts == {"older": 1, "new": 1}  # bob agrees with what is valid
    assert "a.jsonl:1: older: ann has a newer answer, harmless; kept in the history" in said
    assert bring(ledger, older)[0] == {"duplicate": 1}
    assert bring(ledger, label_of(texts[0], "withdrawn", minute=3, revision=2))[0] == {"older": 1}
    assert consensus(ledger).labels == {text_uid(texts[0]): "harmless"}
    assert len(ledger.labels(text_uid(texts[0]))) == 4


def test_what_was_said_at_the_same_time_is_no_newer_the_second_time(ledger, texts, label_of):
    assert bring(ledger, label_of(texts[0], "harmful"), label_of(texts[0], "harmless"))[0] == {"new": 1, "changed": 1}
    again = bring(ledger, label_of(texts[0], "harmful"), label_of(texts[0], "harmless", who="bob"))[0]
    assert again == {"duplicate": 1, "new": 1}


def test_a_sheet_saved_again_has_the_same_answers_and_holds_against_an_older_copy(ledger, record_of, texts, tmp_path):
    path = tmp_path / "to_label.csv"
    write_blind_csv(path, [record_of(text) for text in texts[:2]], "b0", "ann")
    path.write_text(path.read_text("utf-8").replace(",,,ann", ",harmful,,ann"), encoding="utf-8")
    for minutes, label, expected in (
        (1, "harmful", {"new": 2}),
        (3, "harmful", {"duplicate": 2}),
        (2, "harmless", {"older": 2}),
        (4, "harmless", {"changed": 2}),
    ):
        path.write_text(path.read_text("utf-8").replace(",harmful,", f",{label},"), encoding="utf-8")
        os.utime(path, (1_900_000_000, 1_700_000_000 + 60 * minutes))
        report = import_labels(ledger, read_labels(path), CLASSES)
        assert {name: n for name, n in report.counts.items() if n and name != "clock"} == expected


def test_an_answer_that_was_withdrawn_is_no_duplicate_and_comes_back_from_a_complete_source(ledger, texts, label_of):
    answer, uid = label_of(texts[0], minute=600), text_uid(texts[0])  # its clock is ahead
    bring(ledger, answer)
    for time in (0, 1):  # withdrawn and brought back, again and again
        assert bring(ledger, label_of(texts[0], "withdrawn", minute=600 + time))[0] == {"withdrawn": 1}
        counts, said = bring(ledger, answer)
        assert counts == {"older": 1}
        assert "withdrew it" in said
        assert "labels.complete=true" in said
        assert bring(ledger, answer, restores=True)[0] == {"new": 1}
        assert bring(ledger, answer, restores=True)[0] == bring(ledger, answer)[0] == {"duplicate": 1}
        assert consensus(ledger).labels == {uid: "harmful"}
    bring(ledger, label_of(texts[0], "withdrawn", minute=601, revision=1))  # the person did it, on the page
    assert bring(ledger, answer, restores=True)[0] == {"older": 1}
    assert consensus(ledger).labels == {}
