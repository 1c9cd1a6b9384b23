"""Label Studio's formats, on exchanges recorded from a real server."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from vos.errors import ConfigError, DataError
from vos.labeling import text_uid
from vos.labeling.backends.label_studio_format import labelling_config, realign, rows_of_export, task
from vos.labeling.backends.page import Neighbour

CLASSES = {"harmful": 'Harm <&> "done"', "harmless": "Harmless"}


def annotation(result, **values):
    return {
        "id": 7,
        "completed_by": 2,
        "result": result,
        "was_cancelled": False,
        "created_at": "2026-11-21T10:00:00.000000Z",
        "updated_at": "2026-11-21T10:00:05.000000Z",
        "lead_time": 4.2,
        "prediction": {},
    } | values


def chosen(label):
    return {"from_name": "harm", "to_name": "text", "type": "choices", "value": {"choices": [label]}}


def rows(record, *annotations, **options):
    exported = task(record, [], "b0") | {"id": 1, "annotations": list(annotations)}
    ((_, found),) = rows_of_export([exported], {2: "ann@x"}, "server", **options)
    return found


def test_the_config_is_xml_and_escapes_titles():
    root = ElementTree.fromstring(labelling_config('Is "this" <harmful> & bad?', CLASSES | {"unsure": "Unsure"}))  # noqa: S314 - our own
    assert root.find("Header").get("value") == 'Is "this" <harmful> & bad?'
    choices = [(c.get("value"), c.get("hotkey")) for c in root.iter("Choice")]
    assert choices == [("harmful", "1"), ("harmless", "2"), ("unsure", "3")]


def test_tasks_carry_every_variable_and_escape_neighbours(record_of):
    plain = task(record_of("x"), [], "b0")
    assert set(plain["data"]) == {"text", "uid", "text_hash", "batch_id", "neighbours"}
    assert plain["predictions"][0]["score"] == 0.55
    shown = task(record_of("x"), [Neighbour("<img onerror=x>", "harmful")], "b0")
    assert "<img" not in shown["data"]["neighbours"]


def test_predictions_are_checked_before_the_server_takes_them(record_of):
    pytest.importorskip("label_studio_sdk")
    from vos.labeling.backends.label_studio import check_predictions

    config = labelling_config("?", CLASSES | {"unsure": "Unsure"})
    check_predictions(config, [task(record_of("x"), [], "b0")])
    with pytest.raises(ConfigError, match="does not fit the classes"):
        check_predictions(config, [task(record_of("x", probability={"evil": 0.9}), [], "b0")])


def test_an_export_becomes_answers(record_of):
    text = "👩‍👩‍👧 😀 he fell"
    units = len("👩‍👩‍👧 😀 ".encode("utf-16-le")) // 2
    span = {"start": units, "end": units + 7, "text": "he fell", "labels": ["reason"]}
    (row,) = rows(
        record_of(text),
        annotation(
            [
                chosen("harmful"),
                {"from_name": "why", "to_name": "text", "type": "labels", "value": span},
                {"from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["a", "b"]}},
            ]
        ),
    )
    label = row.label
    assert (label.uid, label.annotator, label.label, label.tool) == (text_uid(text), "ann@x", "harmful", "label_studio")
    assert (label.comment, label.seconds, label.batch_id) == ("a\nb", 4.2, "b0")
    assert text[label.spans[0].start : label.spans[0].end] == "he fell"
    label.check_text(text)


def test_skips_unsure_unknown_people_and_damage(record_of):
    found = rows(
        record_of("x"),
        annotation([], was_cancelled=True, completed_by=3),
        annotation([chosen("unsure")], completed_by={"id": 2}),
        annotation([chosen("Y")]),
        annotation([]),
        annotation(None),
        annotation([chosen("harmless")], prediction={"result": [chosen("harmful")]}),
        label_map={"Y": "harmful"},
    )
    assert [row.label and (row.label.annotator, row.label.label) for row in found] == [
        ("user 3", "skip"),
        ("ann@x", "unsure"),
        ("ann@x", "harmful"),
        None,
        None,
        ("ann@x", "harmless"),
    ]
    assert found[3].error == "the annotation names no class"
    assert "not an annotation as exported" in found[4].error
    assert (found[5].label.shown_prediction, found[5].label.changed_from_suggestion) == (True, True)


def test_realign_finds_the_passage_or_refuses():
    assert realign("he fell", {"start": 3, "end": 7, "text": "fell"})["start"] == 3
    assert realign("aa he he he", {"start": 7, "end": 9, "text": "he"})["start"] == 6  # off by one: the nearest
    two = "fall and then a fall"
    assert realign(two, {"start": 17, "end": 21, "text": "fall"})["start"] == 16  # the nearest of two as well
    assert realign(two, {"start": 1, "end": 5, "text": "fall"})["start"] == 0
    emoji = "😀" * 12 + " fall " + "x" * 12 + " fall"  # counted as UTF-16 and off by one
    assert realign(emoji, {"start": 26, "end": 30, "text": "fall"})["start"] == 13
    with pytest.raises(DataError, match="'gone' is not in the text"):
        realign("he fell", {"start": 3, "end": 7, "text": "gone"})
