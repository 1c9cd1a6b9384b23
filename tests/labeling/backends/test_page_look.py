"""The labelling page in a real Chromium: what it shows and hides, for whom, and on which screen."""

from __future__ import annotations

import json
from itertools import count

import pytest

from tests.hostile_texts import HOSTILE, is_quiet, watch
from vos.errors import ConfigError
from vos.labeling import (
    read_labels,
    text_uid,
)
from vos.labeling.backends.page import Neighbour, PageBatch, PageSettings, write_pages

pytestmark = pytest.mark.slow  # a real Chromium


def test_hostile_texts_are_shown_literally(desk):
    at = desk(HOSTILE)
    dialogs = watch(at.page)
    at.start()
    seen = set()
    for _ in HOSTILE:
        seen.add(at.text)
        at.page.keyboard.press("1")
    assert seen == set(HOSTILE)
    assert is_quiet(at.page, "Judging texts")
    assert dialogs == []
    at.check()


def test_a_hostile_file_of_answers_is_shown_literally_or_turned_away(desk, tmp_path):
    at = desk(["one", "two"])
    dialogs = watch(at.page)
    at.start()
    at.page.keyboard.press("1")
    (row, *_) = [json.loads(line) for line in at.download(tmp_path).read_text("utf-8").splitlines()]
    evil, loads = HOSTILE[0], count()

    def load(rows, said):
        # A file of its own each time, and no sentence of the one before: a browser reads when it likes.
        path = tmp_path / f"hostile{next(loads)}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
        at.page.evaluate("document.getElementById('said').textContent = ''")
        at.page.set_input_files("#file", path)
        at.page.wait_for_function("said => document.getElementById('said').textContent.includes(said)", arg=said)

    wrong = [
        {"label": evil}, {"label": "__proto__"}, {"spans": None}, {"spans": [{"start": 0, "end": "9", "text": evil}]},
        {"spans": [{"start": -1, "end": 1e9, "text": ""}]}, {"comment": {"x": evil}}, {"seconds": "1"},
        {"revision": 0.5}, {"repeat": evil}, {"labelled_at": evil}, {"uid": None}, {"neighbours_opened": evil},
    ]  # fmt: skip
    for change in wrong:
        load([row | change], "Line 1 is not an answer that this page wrote; nothing was loaded.")
    load([None], "Line 1 is not an answer of this version; nothing was loaded.")
    load([row | {"batch_id": evil}], f"This file belongs to batch {evil}, the page to b0")
    load([row | {"annotator": evil}], f"This file holds answers of {evil}, not of Ann")
    spans = [{"start": 0, "end": 2, "text": evil}]
    good = [row | {"comment": each, "spans": spans, "revision": 5 + i} for i, each in enumerate(HOSTILE)]
    strange = {"uid": "__proto__", "revision": 9}
    load([*good, row | strange, row | {"__proto__": {"pwned": 1}, "constructor": evil}], "answers loaded")
    at.page.keyboard.press("ArrowLeft")
    assert is_quiet(at.page, "Judging texts")
    at.page.keyboard.press("c")
    held = [json.loads(line) for line in at.download(tmp_path).read_text("utf-8").splitlines()]
    assert [each["comment"] for each in held] == [HOSTILE[-1]]
    assert dialogs == []
    at.check()


def test_blind_means_blind_and_assisted_is_declared(desk, tmp_path, record_of, batch):
    (path,) = write_pages(tmp_path, batch(["x"]), PageSettings())
    source = path.read_text(encoding="utf-8").split('id="batch">')[1].split("</script>")[0]
    assert set(json.loads(source)["items"][0]) == {"uid", "text", "text_hash"}
    for mode, before in (("assisted", True), ("reveal", False)):
        at = desk(["x"], settings=PageSettings(repeat_share=0.0, mode=mode))
        at.start(mode)
        assert at.page.locator("#suggestion").is_visible() is before
        at.page.keyboard.press("2")
        if mode == "reveal":
            assert at.page.inner_text("#suggestion") == "The model says: Harmful (55 %)"
            at.page.keyboard.press("Enter")
        (row,) = read_labels(at.download(tmp_path))
        assert row.label.shown_prediction is before
        assert row.label.changed_from_suggestion is (True if before else None)
        at.check()


def test_neighbours_wait_behind_a_key_and_their_use_is_kept(desk, tmp_path):
    near = {
        text_uid(t): [Neighbour("<b>he fell</b>", "harmful"), Neighbour("it stood", "harmless")] for t in ("x", "y")
    }
    at = desk(["x", "y"], neighbours=near)
    at.start()
    assert at.page.locator("#neighbours").is_hidden()
    at.page.keyboard.press("n")
    assert "<b>he fell</b>" in at.page.inner_text("#neighbours")
    at.page.keyboard.press("1")
    at.page.keyboard.press("1")
    labels = [row.label for row in read_labels(at.download(tmp_path))]
    assert sorted(label.neighbours_opened for label in labels) == [False, True]
    at.check()


def test_settings_hold_the_text_back_and_the_page_still(desk):
    at = desk(["one", "two"], settings=PageSettings(blur=True, repeat_share=0.0))
    at.start()
    assert "blurred" in at.page.get_attribute("#text", "class")
    at.page.keyboard.press("b")
    assert "blurred" not in at.page.get_attribute("#text", "class")
    at.page.keyboard.press("?")
    at.page.uncheck("#set-advance")
    at.page.keyboard.press("Escape")
    first = at.text
    at.page.keyboard.press("1")
    assert at.text == first
    at.page.keyboard.press("Enter")
    assert at.text != first
    at.page.keyboard.press("?")
    at.page.uncheck("#set-keys")
    at.page.keyboard.press("Escape")
    at.page.keyboard.press("1")
    assert at.page.inner_text("#position") == "2 of 2"
    at.check()


def test_a_long_batch_becomes_several_pages_and_bad_settings_are_refused(tmp_path, batch):
    texts = [f"t{i}" for i in range(10)]
    paths = write_pages(tmp_path, batch(texts), PageSettings(max_items=4))
    assert [path.name for path in paths] == ["label-1.html", "label-2.html", "label-3.html"]
    shown = [
        item["text"]
        for path in paths
        for item in json.loads(path.read_text().split('id="batch">')[1].split("</script>")[0])["items"]
    ]
    assert shown == texts
    for wrong in ({"mode": "open"}, {"repeat_share": 0.9}, {"max_items": 0}):
        with pytest.raises(ConfigError):
            PageSettings(**wrong)
    with pytest.raises(ConfigError, match="at least one text"):
        batch([])
    with pytest.raises(ConfigError, match="at least 2 classes"):
        PageBatch("b", batch(["x"]).records, {"unsure": "Unsure", "a": "A"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(desk, axe, tmp_path, scheme):
    near = {text_uid("one"): [Neighbour("he fell", "harmful")]}
    at = desk(
        ["one"],
        settings=PageSettings(repeat_share=0.0, guidelines="Harm means injury.", mode="assisted"),
        options={"color_scheme": scheme, "bypass_csp": True},
        neighbours=near,
    )
    found = {}

    def look(place: str) -> None:
        at.page.evaluate(axe)
        result = at.page.evaluate("axe.run()")
        assert result["passes"]
        found[place] = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in result["violations"]
            if each["impact"] in ("serious", "critical", "moderate")
        ]

    look("start")
    at.start()
    at.page.keyboard.press("n")
    at.page.keyboard.press("c")
    at.page.keyboard.type("why")
    at.page.keyboard.press("Escape")
    at.page.keyboard.press("s")
    at.page.keyboard.press("Enter")
    look("work")
    at.page.keyboard.press("?")
    look("help")
    at.page.keyboard.press("Escape")
    at.page.wait_for_selector("#help", state="hidden")
    at.page.keyboard.press("g")
    look("guidelines")
    at.page.keyboard.press("Escape")
    at.page.wait_for_selector("#guide", state="hidden")
    at.page.keyboard.press("1")
    at.page.wait_for_selector("#end:visible")
    look("end")
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_the_page_fits_a_phone(desk):
    at = desk(["word " * 300, "w" * 400], options={"viewport": {"width": 320, "height": 640}, "has_touch": True})
    at.start()
    for _ in range(2):
        assert at.page.evaluate("document.documentElement.scrollWidth") <= 320
        assert at.page.locator("#answers").bounding_box()["y"] < 640  # in reach without scrolling
        at.page.tap("[data-answer=harmless]")
    at.page.wait_for_selector("#end:visible")
    at.check()
