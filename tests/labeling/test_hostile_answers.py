"""Answers written by hand: each is imported, or reported with its line, without other effects."""

from __future__ import annotations

import json

import pytest

from vos.errors import DataError
from vos.labeling import Label, current_labels, import_labels, read_labels, text_uid
from vos.labeling.answers import LabelRow
from vos.labeling.backends.label_studio_format import rows_of_export, tasks_of_export
from vos.labeling.label import label_from_dict
from vos.labeling.withdrawal import read_back

CLASSES = ("harmless", "harmful")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("seconds", float("nan"), "seconds: expected a number from 0 to 1000000000, got nan"),
        ("raw_seconds", float("inf"), "raw_seconds: expected a number"),
        ("seconds", 10**400, "seconds: expected a number"),
        ("revision", 10**30, "revision: expected a number"),
        ("revision", -1, "revision: expected a number"),
        ("repeat", 2, "repeat: expected a number from 0 to 1, got 2"),
        ("annotator", "\ud800", "annotator: expected characters that UTF-8 text can hold, got U+D800"),
        ("uid", "a\udfff", "uid: expected characters"),
        ("comment", "a\0b", "comment: expected characters"),
        ("batch_id", "\ud83d", "batch_id: expected characters"),
        ("spans", [{"start": 0, "end": 1, "text": "\ud800"}], "spans: expected characters"),
        ("label", "9" * 5_000 + ".0", "expected an answer of"),
        ("repeat", True, "repeat: expected int, got True"),
        ("tool", ["x" * 99], "tool: expected str, got ['xxx"),
    ],
)
def test_a_value_that_cannot_be_kept_is_named_and_the_rest_kept(tmp_path, ledger, texts, label_of, field, value, words):
    bad, good = label_of(texts[0]).as_dict() | {field: value}, label_of(texts[1]).as_dict()
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, (bad, good))), "utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    (finding,) = report.findings
    assert str(finding).startswith(f"answers.jsonl:1: rejected: {words}")
    assert len(str(finding)) < 400
    assert list(current_labels(ledger)) == [text_uid(texts[1])]


def test_a_deep_nesting_in_a_cell_is_named(tmp_path, ledger, texts):
    path = tmp_path / "answers.csv"
    deep = "[" * 100_000
    path.write_text(f"uid,label,annotator,spans\n{text_uid(texts[0])},harmful,ann,{deep}\n", "utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert str(report.findings[0]).startswith("answers.csv:2: rejected: a cell cannot be read")


def test_the_line_of_a_label_is_the_json_with_its_names_sorted(label_of, texts):
    from vos.labeling import Span

    label = label_of(texts[0], comment="é \u2028", spans=(Span(0, 3, "the"),))
    assert label.as_json() == json.dumps(label.as_dict(), sort_keys=True)
    assert label_from_dict(json.loads(label.as_json())) == label
    assert isinstance(label, Label)


def task(texts, **annotation):
    given = {
        "id": 5,
        "completed_by": 1,
        "created_at": "2026-11-21T10:00:00Z",
        "result": [{"from_name": "harm", "value": {"choices": ["harmful"]}}],
    }
    uid = text_uid(texts[0])
    return {"data": {"uid": uid, "text": texts[0], "batch_id": "b0"}, "annotations": [given | annotation]}


MARKED = {"from_name": "why", "value": {"start": "abc", "end": 3, "text": "the"}}
INFINITE = {"from_name": "why", "value": {"start": float("inf"), "end": 3, "text": "the"}}


@pytest.mark.parametrize(
    "change",
    [{"id": "abc"}, {"id": None}, {"result": 3}, {"result": [3]}, {"completed_by": []}, {"lead_time": float("nan")},
     {"result": [MARKED]}, {"result": [INFINITE]}, {"prediction": {"result": 3}}, {"created_at": 5}],
)  # fmt: skip
def test_an_annotation_with_a_strange_part_is_read_or_named(ledger, texts, change):
    ((_, (row,)),) = rows_of_export([task(texts, **change)], {1: "ann"}, "studio")
    report = import_labels(ledger, [row], CLASSES)
    assert report.counts["new"] + report.counts["rejected"] == 1
    assert report.counts["new"] == ("id" in change)


@pytest.mark.parametrize("strange", [3, None, [], "x", {}, {"data": []}, {"data": {}, "annotations": 5}])
def test_a_task_that_is_none_is_named_and_the_others_read(ledger, texts, strange):
    found = list(rows_of_export([strange, task(texts)], {1: "ann"}, "studio"))
    rows = [row for _, rows in found for row in rows]
    assert [row.label is not None for row in rows][-1:] == [True]
    assert all("expected a task with data" in row.error for row in rows[:-1])
    assert len(rows) == 2


def test_a_uid_that_is_none_withdraws_nothing(ledger, texts, label_of):
    ledger.record_label(label_of(texts[0], tool="studio"))
    assert read_back(ledger, "studio", "here", [([], {}, []), ({}, "b0", []), (text_uid(texts[0]), [], [])]) == []
    assert len(read_back(ledger, "studio", "here", [(text_uid(texts[0]), "b0", [])])) == 1
    damaged = [(text_uid(texts[0]), "b0", rows) for rows in ([], [LabelRow("here", 1, None, "damaged")])]
    for places in (damaged, damaged[::-1]):  # one text in two projects
        assert [row.label for row in read_back(ledger, "studio", "here", places)] == [None]


@pytest.mark.parametrize("content", [b"3", b"{}", b"[1", b"\xff[]", b"[" * 99_999, b"null"])
def test_an_export_that_is_no_array_is_refused(content):
    with pytest.raises(DataError, match=r"not JSON|expected an array of tasks"):
        tasks_of_export(content)
