"""The labelling page in a real Chromium: the question and its guidelines, the position of the text, the summary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.hostile_texts import HOSTILE, is_quiet, watch
from vos.labeling import read_labels
from vos.labeling.backends.page import IMPORT, PageSettings, write_pages

pytestmark = pytest.mark.slow  # a real Chromium

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def settings(**values):
    return PageSettings(repeat_share=0.0, **values)


def test_the_rule_is_read_at_the_start_and_behind_a_key(desk):
    at = desk(["one", "two"], settings=settings(question="Is it <b>rude</b>?", guidelines="Rude:\n- <i>an insult</i>"))
    for place in ("start", "guide"):
        if place == "guide":
            at.start()
            assert at.page.inner_text("#question") == "Is it <b>rude</b>?"
            at.page.keyboard.press("g")
        assert at.page.inner_text(f"#{place}-question") == "Is it <b>rude</b>?"
        assert at.page.inner_text(f"#{place}-guidelines") == "Rude:\n- <i>an insult</i>"
    at.page.keyboard.press("Enter")  # Close has the focus
    at.page.wait_for_selector("#guide", state="hidden")
    at.page.keyboard.press("1")
    at.page.wait_for_function("() => document.getElementById('progress').value === 1")
    at.page.keyboard.press("1")
    at.page.wait_for_selector("#end:visible")
    at.page.keyboard.press("g")
    at.page.wait_for_selector("#guide:visible")
    at.check()


def test_long_guidelines_are_reached_by_keyboard(desk):
    at = desk(["one"], settings=settings(guidelines="\n".join(f"rule {i}" for i in range(300))))
    at.start()
    at.page.keyboard.press("g")
    assert at.page.evaluate("document.activeElement.id") == "guide-guidelines"
    at.page.keyboard.press("End")
    at.page.wait_for_function("() => document.getElementById('guide-guidelines').scrollTop > 1000")
    assert at.page.locator("#guide-close").bounding_box()["y"] < 720
    at.check()


def test_a_batch_without_guidelines_shows_its_question_alone(desk):
    at = desk(["one"])
    assert at.page.inner_text("#start-question") == "Which fits this text best: “Harmful” or “Harmless”?"
    assert at.page.locator("#start-guidelines").is_hidden()
    at.start()
    at.page.keyboard.press("g")
    assert at.page.locator("#guide-guidelines").is_hidden()
    at.check()


def test_hostile_guidelines_and_questions_are_shown_literally(desk):
    lines = [text for text in HOSTILE if "\n" not in text and "\r" not in text and 0 < len(text) < 400]
    question, guidelines = lines[25], "\n".join(lines).strip()
    assert "onerror" in question
    assert len(lines) > 190
    at = desk(["one"], settings=settings(question=question, guidelines=guidelines))
    dialogs = watch(at.page)
    at.start()
    at.page.keyboard.press("g")
    content = "id => document.getElementById(id).textContent"
    for place in ("start-guidelines", "guide-guidelines"):
        assert at.page.evaluate(content, place) == guidelines
    for place in ("start-question", "guide-question", "question"):
        assert at.page.evaluate(content, place) == question
    assert is_quiet(at.page, "Judging texts")
    assert dialogs == []
    at.check()


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_short_text_stands_in_the_middle_and_a_long_one_begins_at_the_top(desk, options):
    at = desk(["short"], options=options)
    at.start()
    bar, card, tools, answers = (
        at.page.locator(place).bounding_box() for place in (".bar", "#card", ".tools", ".answers")
    )
    above = card["y"] - (bar["y"] + bar["height"])
    below = answers["y"] - (tools["y"] + tools["height"])
    assert abs(above - below) < 24
    assert above > 100
    height = options["viewport"]["height"]
    assert abs(card["y"] + card["height"] / 2 - height / 2) < 0.15 * height
    at.page.close()
    at = desk(["long " * 2000], options=options)
    at.start()
    assert at.page.locator("#card").bounding_box()["y"] < 130
    at.check()


def test_the_summary_counts_and_says_what_to_do_next(desk, tmp_path):
    texts = [f"text {i}" for i in range(20)]
    at = desk(texts, settings=PageSettings(repeat_share=0.2), import_command="run it on {FILE} ledger=L")
    at.start("José")
    seen: dict[str, int] = {}
    for done in range(24):
        # Every second text that is asked twice gets another answer the second time.
        seen[at.text] = seen.get(at.text, 0) + 1
        changed = seen[at.text] == 2 and sum(count == 2 for count in seen.values()) % 2
        at.page.keyboard.press(" " if at.text == "text 3" else "2" if changed else "1")
        if done < 23:
            at.page.wait_for_function("n => document.getElementById('progress').value > n", arg=done)
    at.page.wait_for_selector("#end:visible")
    twice = [text for text, count in seen.items() if count == 2]
    assert len(twice) == 4
    names, values = (at.page.locator(f"#end-numbers {tag}").all_inner_texts() for tag in ("dt", "dd"))
    numbers = dict(zip(names, values, strict=True))
    titles, said = (at.page.locator(f"#end-table {cell}").all_inner_texts() for cell in ("th", "td:nth-child(2)"))
    counts = dict(zip(titles, map(int, said), strict=True))
    path = at.download(tmp_path)
    labels = [row.label for row in read_labels(path)]
    answers = [label.label for label in labels]
    assert counts == {
        "Harmless": answers.count("harmless"), "Harmful": answers.count("harmful"), "Unsure": 0,
        "Skipped": answers.count("skip"),
    }  # fmt: skip
    assert (numbers["Answered"], numbers["Skipped"]) == (str(24 - counts["Skipped"]), str(counts["Skipped"]))
    pairs = [[label for label in labels if label.uid == each.uid] for each in labels if each.repeat]
    judged = [pair for pair in pairs if all(label.decides for label in pair)]
    alike = sum(pair[0].label == pair[1].label for pair in judged)
    assert 0 < alike < len(judged)
    assert numbers["Same answer when asked twice"] == f"{alike} of {len(judged)}"
    assert float(numbers["Median seconds a text"]) >= 0
    assert at.page.inner_text("#end-saved") == "Your answers are downloaded. You may close this page."
    assert at.page.inner_text("#end-file") == path.name == "labels-b0-José.jsonl"
    assert at.page.inner_text("#end-command") == f"run it on '\"{path.name}\"' ledger=L"
    at.check()


def test_the_command_stands_there_although_nobody_gave_one(desk):
    at = desk(["one"])
    at.start()
    at.page.keyboard.press(" ")
    at.page.wait_for_selector("#end:visible")
    assert at.page.inner_text("#end-command") == IMPORT.replace("{FILE}", "labels-b0-Ann.jsonl")
    at.check()


def test_a_page_written_anew_with_another_question_says_so(desk, tmp_path, batch):
    at = desk(["one", "two"], settings=settings(question="Is it rude?"))
    at.start()
    at.page.keyboard.press("1")
    at.page.wait_for_function("() => document.getElementById('progress').value === 1")
    at.reopen()
    at.start()
    assert at.page.locator("#banner").is_hidden()
    write_pages(tmp_path, batch(["one", "two"]), replace(settings(), question="Is it sad?"))
    at.reopen()
    at.start()
    assert "The question or its guidelines have changed" in at.page.inner_text("#banner")
    at.check()
