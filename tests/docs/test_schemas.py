"""The JSON Schemas of the documents: up to date with the types, and strict enough to reject wrong files."""

from __future__ import annotations

import doctest
import importlib
import json
from dataclasses import replace

import pytest

from docs.generators import formats, schemas
from tests.conftest import ROOT
from tests.labeling.examples import EVIDENCE, make_label, make_record
from tests.schemas import problems
from vos.labeling import RecordCoverage, Span


def as_read(values):
    return json.loads(json.dumps(values, allow_nan=False))


@pytest.mark.parametrize("name", schemas.FILES)
def test_the_schemas_in_the_documents_are_those_of_the_types(name):
    assert (schemas.FOLDER / f"{name}.schema.json").read_text("utf-8") == schemas.text(name), (
        "write them anew: python -m docs.generators.schemas"
    )


def test_the_page_shows_every_schema():
    page = (ROOT / "docs/reference/schemas.md").read_text("utf-8")
    for name in schemas.FILES:
        assert f"](schemas/{name}.schema.json)" in page
        assert f"{{literalinclude}} schemas/{name}.schema.json" in page
    assert {path.name for path in schemas.FOLDER.iterdir()} == {f"{name}.schema.json" for name in schemas.FILES}


def test_records_fit_and_changed_ones_do_not():
    pair = replace(EVIDENCE["target"], pair=("harmful", "harmless"))
    record = make_record("a", **EVIDENCE | {"target": pair}, coverage=RecordCoverage(0.5, ("p1",)))
    for each in (record, make_record("b"), replace(record, target=None, coverage=None, expected_error=0.25)):
        assert problems("near_boundary", as_read(each.as_dict())) == []
    good = as_read(record.as_dict())
    wrong = [
        {"margin": "1"},
        {"schema_version": 4},
        {"target": {"id": "z1"}},
        {"more": 1},
        {"probability": {"a": None}},
    ]
    assert [len(problems("near_boundary", good | change)) for change in wrong] == [1, 1, 1, 1, 1]
    del good["uid"]
    assert problems("near_boundary", good) == ["$: 'uid' is a required property"]


def test_answers_fit_and_changed_ones_do_not():
    label = make_label("the ladder fell", spans=(Span(4, 10, "ladder"),), seconds=1.5, comment="why")
    good = as_read(label.as_dict())
    assert problems("answer", good, good | {"of_a_tool": 1}) == []
    least = {name: good[name] for name in ("uid", "annotator", "label", "labelled_at")}
    assert problems("answer", least) == []
    wrong = [{"spans": [{"start": 4}]}, {"repeat": 0.5}, {"seconds": "1"}, {"schema_version": 2}, {"label": None}]
    assert all(problems("answer", good | change) for change in wrong)
    assert problems("answer", {"uid": "x"})


def test_the_tables_of_fields_name_what_the_schemas_name():
    page = formats.page()
    for name in schemas.FILES:
        for field in schemas.schema(name)["properties"]:
            assert f"| `{field}` |" in page, f"{name}: {field}"
    assert '| `status` | `"running"` or `"finished"` |' in page
    assert "| `final` | object of numbers or null |" in page


def test_the_examples_of_the_generators_are_right():
    for name in ("formats", "schemas"):
        result = doctest.testmod(importlib.import_module(f"docs.generators.{name}"))
        assert result.attempted
        assert not result.failed
