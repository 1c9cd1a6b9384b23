"""The import rules."""

from __future__ import annotations

import json

from vos.labeling import (
    Span,
    import_labels,
    read_labels,
    write_labels,
)

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
