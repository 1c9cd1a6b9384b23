"""The labelling page in a real Chromium, opened from disk: labelling, and the resulting answers."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from tests.labeling.backends.browser import Desk
from tests.labeling.backends.studio import CLASSES
from tests.schemas import problems
from vos.labeling import (
    Ledger,
    consensus,
    current_labels,
    import_labels,
    read_labels,
    text_uid,
)
from vos.labeling.backends.page import PageSettings
from vos.labeling.quality import agreement_report, gold_scores

pytestmark = pytest.mark.slow  # a real Chromium


def test_a_batch_is_labelled_by_keyboard_closed_resumed_downloaded_and_imported(desk, tmp_path, record_of):
    texts = [f"text {i}: the ladder {'fell' if i % 3 else 'stood'}" for i in range(40)]
    at = desk(texts, settings=PageSettings())  # with 5 % hidden repeats: 42 showings
    answers = {}

    def answer_until(stop: int) -> None:
        while (done := int(at.page.evaluate("document.getElementById('progress').value"))) < stop:
            text = at.text
            key, label = {0: ("2", "harmless"), 1: ("1", "harmful")}.get(int(text.split()[1][:-1]) % 3, ("3", "unsure"))
            key, label = (" ", "skip") if text.startswith("text 7:") else (key, label)
            answers[text] = label
            at.page.keyboard.press(key)
            at.page.wait_for_function("n => document.getElementById('progress').value > n", arg=done)

    at.start()
    answer_until(15)
    at.reopen()
    assert at.page.input_value("#name") == "Ann"
    assert at.page.inner_text("#start-found") == "Welcome back: 15 answers are here already."
    at.page.keyboard.press("Tab")
    at.page.click("text=Start")
    answer_until(41)
    at.page.keyboard.press("1" if "fell" in at.text else "2")
    at.page.wait_for_selector("#end:visible")
    path = at.download(tmp_path)
    assert path.name == "labels-b0-Ann.jsonl"
    at.check()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 42
    assert problems("answer", *rows) == []
    assert sum(row["repeat"] for row in rows) == 2
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(record_of(text) for text in texts)
        ledger.export("b0", "page", [text_uid(text) for text in texts])
        report = import_labels(ledger, read_labels(path), CLASSES)
        assert (report.counts["new"], report.exit_code, report.findings) == (42, 0, [])
        held = {label.uid: label.label for _, label in ledger.labels() if label.repeat == 0}
        wrong = [t for t in answers if held[text_uid(t)] != answers[t]]
        assert len(wrong) <= 1  # the last text was answered outside the loop
        assert agreement_report(ledger)["self_repeats"] <= 2


def test_the_order_differs_by_person_and_repeats_come_late(desk):
    at = desk([f"t{i}" for i in range(60)], settings=PageSettings(repeat_share=0.1))
    orders = []
    for name in ("Ann", "Bob"):
        at.reopen()
        at.start(name)
        order = []
        for _ in range(66):
            order.append(at.text)
            at.page.keyboard.press("ArrowRight")
        orders.append(order)
        twice = [t for t in dict.fromkeys(order) if order.count(t) == 2]
        assert len(twice) == 6
        for text in twice:
            first, second = (i for i, each in enumerate(order) if each == text)
            assert second - first >= 10
    assert orders[0] != orders[1]
    at.check()


def test_undo_skip_change_and_revisions(desk, tmp_path):
    at = desk(["one", "two", "three"])
    at.start()
    first = at.text
    at.page.keyboard.press("1")
    at.page.keyboard.press("Backspace")
    assert at.text == first
    assert at.page.locator("[aria-pressed=true]").count() == 0
    at.page.keyboard.press("2")
    at.page.keyboard.press(" ")
    at.page.keyboard.press("ArrowLeft")
    assert at.page.locator("[aria-pressed=true]").get_attribute("data-answer") == "skip"
    at.page.keyboard.press("3")
    rows = [json.loads(line) for line in at.download(tmp_path).read_text(encoding="utf-8").splitlines()]
    assert sorted((row["label"], row["revision"]) for row in rows) == [("harmless", 2), ("unsure", 1)]
    at.check()


def test_an_answer_undone_after_its_import_is_withdrawn(desk, tmp_path, record_of):
    at = desk(["one", "two"])
    at.start()
    first = at.text
    at.page.keyboard.press("1")
    early = at.download(tmp_path).rename(tmp_path / "early.jsonl")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(record_of(text) for text in ("one", "two"))
        ledger.export("b0", "page", [text_uid(text) for text in ("one", "two")])
        assert import_labels(ledger, read_labels(early), CLASSES).counts["new"] == 1
        at.page.keyboard.press("Backspace")
        assert at.text == first
        path = at.download(tmp_path)
        assert at.page.inner_text("#said") == "0 answers downloaded."
        report = import_labels(ledger, read_labels(path), CLASSES)
        assert (report.counts["withdrawn"], report.exit_code) == (1, 0)
        assert current_labels(ledger) == {}
        assert len(ledger.labels()) == 2  # nothing was rewritten
        again = import_labels(ledger, [*read_labels(path), *read_labels(early)], CLASSES)
        assert (again.counts["duplicate"], again.counts["older"]) == (1, 1)
        assert current_labels(ledger) == {}
        # On another computer the earlier file does not bring it back either; a new answer does count.
        at.page.set_input_files("#file", path)
        at.page.wait_for_function("() => document.getElementById('banner').textContent.startsWith('0 of 1 answers')")
        assert at.page.locator("[aria-pressed=true]").count() == 0
        at.page.keyboard.press("2")
        assert import_labels(ledger, read_labels(at.download(tmp_path)), CLASSES).counts["new"] == 1
        assert [label.label for label in current_labels(ledger)[text_uid(first)]] == ["harmless"]
    at.check()


def test_going_through_the_skipped_ones(desk):
    at = desk(["one", "two", "three", "four"])
    at.start()
    for key in (" ", "1", " ", "1"):
        at.page.keyboard.press(key)
    at.page.click("#end-skipped")
    at.page.keyboard.press("1")
    at.page.keyboard.press("2")
    at.page.wait_for_selector("#end:visible")
    assert at.page.locator("#end-skipped").is_hidden()
    at.check()


def test_marks_count_code_points_by_mouse_and_by_keyboard(desk, tmp_path, record_of):
    text = "👩‍👩‍👧 the ladder 😀 fell on 🪜 him"
    at = desk([text])
    at.start()
    at.page.evaluate(
        """() => { const node = document.getElementById('text').firstChild, from = node.data.indexOf('😀');
        getSelection().setBaseAndExtent(node, from, node, node.data.indexOf(' on')); }"""
    )
    at.page.keyboard.press("s")
    at.page.keyboard.press("s")  # no selection now: choose words
    at.page.keyboard.press("ArrowRight")
    at.page.keyboard.press("Shift+ArrowRight")
    at.page.keyboard.press("Enter")
    assert at.page.locator("#text mark").all_inner_texts() == ["the ladder", "😀 fell"]
    at.page.keyboard.press("c")
    at.page.keyboard.type("1 he fell? (n)")
    at.page.keyboard.press("Escape")
    at.page.keyboard.press("1")
    path = at.download(tmp_path)
    (row,) = read_labels(path)
    assert [(span.text, text[span.start : span.end]) for span in row.label.spans] == [
        ("the ladder", "the ladder"),
        ("😀 fell", "😀 fell"),
    ]
    assert row.label.comment == "1 he fell? (n)"
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose([record_of(text)])
        assert import_labels(ledger, [row], CLASSES).counts["new"] == 1
    at.check()


def test_known_answers_look_like_the_others_and_measure_the_person(desk, tmp_path, record_of):
    known = {text_uid("known harmful"): "harmful", text_uid("known harmless"): "harmless"}
    texts = ["one", "two", "three", "known harmful", "known harmless"]
    at = desk(texts)
    at.start()
    looks = set()
    for _ in texts:
        shown = at.text
        card = at.page.inner_html("#work").replace(shown, "TEXT")
        looks.add(re.sub(r"\d+|value=.*?>", "N", card))
        assert "gold" not in at.page.content()
        at.page.keyboard.press("1")
    at.page.wait_for_selector("#end:visible")
    assert len({len(look) for look in looks}) <= 2  # before and after the first five answers give a time left
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(record_of(text) for text in texts)
        ledger.export("b0", "page", [text_uid(text) for text in texts[:3]])
        ledger.export("b0", "page", list(known), "gold", {uid: {"answer": answer} for uid, answer in known.items()})
        assert import_labels(ledger, read_labels(at.download(tmp_path)), CLASSES).counts["new"] == 5
        assert (gold_scores(ledger)["Ann"].right, gold_scores(ledger)["Ann"].judged) == (1, 2)
        assert set(consensus(ledger).labels) == {text_uid(text) for text in texts[:3]}
    at.check()


def test_a_page_for_a_named_person_keeps_to_the_name(desk, tmp_path):
    at = desk(["one", "two"], annotator="Ann B")
    assert at.path.name == "label-ann_b.html"
    assert at.page.input_value("#name") == "Ann B"
    assert not at.page.is_editable("#name")
    at.page.click("text=Start")
    at.page.keyboard.press("1")
    path = at.download(tmp_path)
    assert path.name == "labels-b0-Ann_B.jsonl"
    assert [row.label.annotator for row in read_labels(path)] == ["Ann B"]
    other = tmp_path / "other.jsonl"
    other.write_text(path.read_text(encoding="utf-8").replace("Ann B", "Eve"), encoding="utf-8")
    at.reopen()
    at.page.set_input_files("#file", other)
    at.page.wait_for_function(
        "() => document.getElementById('start-found').textContent.includes('answers of Eve, not of Ann B')"
    )
    at.check()


def test_idle_hidden_and_paused_time_is_not_active(desk, tmp_path):
    at = desk(["x", "y"])
    at.page.clock.install(time=datetime(2026, 1, 1, tzinfo=UTC))
    at.page.reload()
    at.page.clock.pause_at(datetime(2026, 1, 1, 1, tzinfo=UTC))  # else the machine's own seconds count too
    at.start()
    at.page.clock.run_for(5_000)
    at.page.keyboard.press("p")
    at.page.clock.run_for(40_000)
    at.page.keyboard.press("Enter")
    at.page.clock.run_for(3_000)
    at.page.keyboard.press("1")
    at.page.clock.run_for(200_000)  # idle after the first minute
    at.page.keyboard.press("1")
    rows = [json.loads(line) for line in at.download(tmp_path).read_text(encoding="utf-8").splitlines()]
    assert sorted(row["seconds"] for row in rows) == pytest.approx([8, 60], abs=1.5)
    assert sorted(row["raw_seconds"] for row in rows) == pytest.approx([48, 200], abs=1.5)
    at.check()


def test_answers_move_to_another_computer(desk, tmp_path):
    at = desk(["one", "two", "three"])
    at.start()
    at.page.keyboard.press("1")
    saved = at.download(tmp_path)
    content = saved.read_text(encoding="utf-8")
    other = Desk(at.context.browser, at.path)
    try:
        other.page.set_input_files("#file", saved)
        other.page.wait_for_selector("#card")
        assert other.page.inner_text("#banner").startswith("1 of 1 answers loaded")
        other.page.keyboard.press("1")
        other.page.keyboard.press("1")
        assert len(other.download(tmp_path).read_text(encoding="utf-8").splitlines()) == 3
        uid = json.loads(content)["uid"]
        for damaged, message in (
            (content.replace(uid, "0" * len(uid)), "answers to other texts of this batch"),
            (content + content.replace(uid, "0" * len(uid)), "0 of 2 answers loaded; 1 are of texts that are not on"),
            (content[:-30], "Line 1 is cut off"),
            (content.replace('"b0"', '"b9"'), "belongs to batch b9"),
            (content.replace('"Ann"', '"Bob"'), "answers of Bob, not of Ann"),
            (content.replace('n":1', 'n":2'), "not an answer of this version"),
        ):
            bad = tmp_path / "bad.jsonl"
            bad.write_text(damaged, encoding="utf-8")
            other.page.set_input_files("#file", bad)
            other.page.wait_for_function("m => document.getElementById('said').textContent.includes(m)", arg=message)
        other.check()
    finally:
        other.context.close()


def test_closing_warns_while_answers_are_not_downloaded(desk, tmp_path):
    at = desk(["one", "two"])
    at.start()
    at.page.keyboard.press("1")
    asked = []
    at.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    at.page.reload()
    assert asked == ["beforeunload"]
    at.start()
    at.download(tmp_path)
    at.page.reload()
    assert asked == ["beforeunload"]


def test_two_tabs_do_not_lose_each_other_s_answers(desk, tmp_path):
    at = desk(["one", "two", "three", "four"])
    at.start()
    second = at.context.new_page()
    second.goto(at.path.as_uri())
    second.click("text=Start")
    at.page.keyboard.press("1")
    second.keyboard.press("ArrowRight")
    second.keyboard.press("2")
    at.page.wait_for_function("() => document.getElementById('progress').value === 2")
    at.page.keyboard.press("ArrowRight")
    at.page.keyboard.press("1")
    labels = [row.label.label for row in read_labels(at.download(tmp_path))]
    assert sorted(labels) == ["harmful", "harmful", "harmless"]
    at.check()
