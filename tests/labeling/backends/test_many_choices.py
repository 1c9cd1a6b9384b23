"""Pages and screens with more classes than there are digits."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.labeling.backends.browser import Desk
from vos.labeling import Ledger, consensus, import_labels, read_labels, text_uid
from vos.labeling.backends.label_studio_format import labelling_config
from vos.labeling.backends.page import KEYS, PageBatch, PageSettings, write_pages

TWELVE = {f"class {i}": f"Class {i}" for i in range(12)}
FORTY = {f"class {i}": f"Class {i}" for i in range(40)}


def test_label_studio_has_a_key_for_as_many_answers_as_there_are_keys(record_of):
    choices = PageBatch("b0", [record_of("x")], FORTY).choices
    root = ElementTree.fromstring(labelling_config("?", choices))  # noqa: S314 - our own
    assert [c.get("value") for c in root.iter("Choice")] == [*FORTY, "unsure"]
    assert [c.get("hotkey") for c in root.iter("Choice")] == [*KEYS, *[None] * (41 - len(KEYS))]
    assert len(set(KEYS)) == len(KEYS)
    assert not set(KEYS) & set("bcgnps")  # keys of other actions


@pytest.mark.slow
def test_twelve_classes_are_answered_by_keys_and_imported(browser, tmp_path, record_of):
    texts = [f"text {i} about a ladder" for i in range(14)]
    keys = [*"1234567890ade", " "]
    means = [*TWELVE, "unsure", "skip"]
    batch = PageBatch("b0", [record_of(text) for text in texts], TWELVE, question="Which?")
    (path,) = write_pages(tmp_path, batch, PageSettings(repeat_share=0.0))
    desk = Desk(browser, path)
    desk.start()
    assert desk.page.inner_text("#question") == "Which?"
    assert desk.page.locator("#answers button").count() == 14
    said = {}
    for done, (key, meaning) in enumerate(zip(keys, means, strict=True)):
        said[desk.text] = meaning
        desk.page.keyboard.press(key)
        if done + 1 < len(keys):
            desk.page.wait_for_function("n => document.getElementById('progress').value > n", arg=done)
    desk.page.wait_for_selector("#end:visible")
    rows = [json.loads(line) for line in desk.download(tmp_path).read_text(encoding="utf-8").splitlines()]
    desk.check()
    desk.context.close()
    assert {row["uid"]: row["label"] for row in rows} == {text_uid(text): label for text, label in said.items()}
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(record_of(text) for text in texts)
        ledger.export("b0", "page", [text_uid(text) for text in texts])
        report = import_labels(ledger, read_labels(tmp_path / "labels-b0-Ann.jsonl"), TWELVE)
        assert (report.counts["new"], report.exit_code) == (14, 0)
        assert sorted(consensus(ledger).labels.values()) == sorted(TWELVE)


@pytest.mark.slow
def test_forty_answers_leave_room_for_the_text(browser, tmp_path, record_of):
    batch = PageBatch("b0", [record_of("the ladder fell")], FORTY)
    (path,) = write_pages(tmp_path, batch, PageSettings(repeat_share=0.0))
    desk = Desk(browser, path, viewport={"width": 400, "height": 700})
    desk.start()
    bar = desk.page.locator("#answers").bounding_box()
    assert bar["height"] <= 0.4 * 700 + 1
    last = desk.page.locator("#answers button").nth(40)  # "unsure", beyond the keys: reached by scrolling
    last.click()
    desk.page.wait_for_selector("#end:visible")
    desk.context.close()
