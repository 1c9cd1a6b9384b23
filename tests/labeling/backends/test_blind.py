"""Labellers see no score, side, source or target of a text."""

from __future__ import annotations

import json
from dataclasses import asdict

from tests.labeling.examples import EVIDENCE
from vos.labeling.backends.files import write_blind_csv
from vos.labeling.backends.label_studio_format import task
from vos.labeling.backends.page import PageBatch, PageSettings, page_html

HIDDEN = ("prompt-0123", "lm-4567", "parent-89", "prefix_conditioned", "31415926")


def test_people_are_shown_none_of_the_evidence(record_of):
    made = record_of("a text", **EVIDENCE)
    batch = PageBatch("b0", [made], {"harmless": "Harmless", "harmful": "Harmful"})
    shown = page_html(batch, PageSettings()).split('id="batch"')[-1]
    asked = json.dumps(task(made, (), "b0")["data"])
    names = {*EVIDENCE, *asdict(EVIDENCE["provenance"])}
    assert [name for name in names if f'"{name}"' in shown or f'"{name}"' in asked] == []
    for value in HIDDEN:
        assert value not in shown
        assert value not in asked


def test_the_sheet_shows_none_of_the_evidence(tmp_path, record_of):
    write_blind_csv(tmp_path / "sheet.csv", [record_of("a text", **EVIDENCE)], "b0")
    content = (tmp_path / "sheet.csv").read_text(encoding="utf-8")
    assert not [value for value in HIDDEN if value in content]
