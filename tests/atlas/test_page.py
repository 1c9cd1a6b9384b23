"""The atlas in a real Chromium: map, list, text, and the shared state."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.hostile_texts import HOSTILE, is_quiet, watch

pytestmark = pytest.mark.slow  # a real Chromium


def drag(at, start, end):
    """Drag over the plot, from and to in shares of its width and height."""
    box = at.page.locator(".plot").bounding_box()
    place = lambda p: (box["x"] + p[0] * box["width"], box["y"] + p[1] * box["height"])  # noqa: E731
    at.page.mouse.move(*place(start))
    at.page.mouse.down()
    at.page.mouse.move(*place(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)))
    at.page.mouse.move(*place(end))
    at.page.mouse.up()


def fields(at, name):
    return [float(at.page.input_value(f"#{name}-{which}")) for which in ("from", "to")]


def test_a_brush_lists_what_numpy_counts_and_the_address_brings_it_back(reader):
    at = reader(300)
    assert at.count == 300
    drag(at, (0.35, 0.3), (0.7, 0.75))
    at.settled()
    (m0, m1), (d0, d1) = fields(at, "m"), fields(at, "d")
    margin, distance = (np.array(at.made["texts"][name]) for name in ("margin", "distance"))
    inside = (margin >= m0) & (margin <= m1) & (distance >= d0) & (distance <= d1)
    assert 20 < inside.sum() < 280
    assert at.count == inside.sum()
    assert set(at.listed()) <= set(np.flatnonzero(inside).tolist())
    address = at.address
    at.page.reload()
    at.wait()
    assert (at.count, at.address) == (inside.sum(), address)
    at.page.click("#chips button >> nth=0")
    assert at.count == ((distance >= d0) & (distance <= d1)).sum()
    at.page.keyboard.press("Escape")
    assert at.count == 300


def scale(at, axis):
    """Slope and offset of an axis in pixels, read off its ticks; the vertical one is of a distance's height."""
    ticks = at.page.evaluate(
        """(axis) => [...document.querySelectorAll(`.${axis}-axis .tick`)].map((tick) => {
             const box = tick.querySelector('line').getBoundingClientRect();
             return [tick.textContent, axis === 'x' ? box.left + box.width / 2 : box.top + box.height / 2];
           })""",
        axis,
    )
    values = np.array([float(text.replace("−", "-")) for text, _ in ticks])
    heights = values if axis == "x" else np.sqrt(-np.log(1 - values))
    return np.polyfit(heights, [place for _, place in ticks], 1)


def test_a_click_opens_the_nearest_text_as_numpy_finds_it(reader):
    at = reader(80)
    texts, outliers = at.made["texts"], at.made["outliers"]
    across, up = np.poly1d(scale(at, "x")), np.poly1d(scale(at, "y"))
    margin = np.array(texts["margin"] + outliers["margin"])
    height = np.sqrt(-np.log(1 - np.array(texts["distance"] + outliers["distance"])))
    x, y = across(margin), up(height)
    apart = np.hypot(x[:80, None] - x, y[:80, None] - y) + 1e6 * np.eye(80, len(x))
    lonely = np.argsort(-apart.min(1))[:3].tolist()
    for i in lonely:
        assert apart[i].min() > 8
        at.page.mouse.click(x[i] + 2, y[i] - 2)
        at.page.wait_for_function(
            "(text) => document.getElementById('the-text')?.textContent === text", arg=texts["text"][i]
        )
    assert at.count == 80


def test_the_list_goes_by_keyboard_to_the_last_text(reader):
    at = reader(120)
    order = np.argsort(np.abs(at.made["texts"]["margin"]), kind="stable").tolist()
    at.page.keyboard.press("j")
    assert at.text == at.made["texts"]["text"][order[0]]
    at.page.keyboard.press("j")
    at.page.keyboard.press("j")
    at.page.keyboard.press("k")
    assert at.text == at.made["texts"]["text"][order[1]]
    at.page.focus("#list")
    at.page.keyboard.press("End")
    assert at.text == at.made["texts"]["text"][order[-1]]
    assert at.page.get_attribute("#list", "aria-activedescendant") == f"row-{order[-1]}"
    at.page.keyboard.press("/")
    at.page.keyboard.type("station")
    held = [i for i, text in enumerate(at.made["texts"]["text"]) if "station" in text.lower()]
    assert at.count == len(held)
    at.page.keyboard.press("Escape")
    at.page.go_back()


def test_filters_agree_with_numpy(reader):
    at = reader(200)
    texts = at.made["texts"]
    label = [a if a is not None else b for a, b in zip(texts["answer"], texts["label"], strict=True)]
    side = [m > 0 for m in texts["margin"]]
    expected = {
        "near": sum(texts["near"]), "batch": sum(texts["batch"]), "open": label.count(None),
        "answered": 200 - texts["answer"].count(None),
        "misses": sum(t == 1 and not s for t, s in zip(label, side, strict=True)),
        "alarms": sum(t == 0 and s for t, s in zip(label, side, strict=True)), "": 200,
    }  # fmt: skip
    for only, count in expected.items():
        at.page.select_option("#only", only)
        assert (only, at.count) == (only, count)
    at.page.select_option("#group", "group: women")
    assert at.count == texts["columns"]["group"].count("women")
    at.page.select_option("#group", "")
    at.page.click("[data-layer='1']")
    assert at.count == 200 - label.count(1)


def test_an_outlier_shows_its_nearest_real_texts(reader):
    at = reader(60, hash_="#outlier=3")
    shown = at.page.locator("#panel .text-line .a-text").all_inner_texts()
    assert shown == [at.made["texts"]["text"][i] for i in at.made["outliers"]["nearest"][3]]


def test_a_text_shows_what_is_known_of_it(reader):
    at = reader(60)
    i = next(i for i, flip in zip(at.made["flips"]["index"], at.made["flips"]["flip"], strict=True) if flip)
    flip = at.made["flips"]["flip"][at.made["flips"]["index"].index(i)]
    at.page.evaluate("(hash) => { location.hash = hash; }", f"#text={at.made['texts']['uid'][i]}")
    at.page.wait_for_selector("#the-text")
    text = at.made["texts"]["text"][i]
    assert at.text == text
    assert at.page.inner_text("#panel del") == text[flip["start"] : flip["end"]]
    assert at.page.inner_text("#panel ins") == flip["word"]
    total = sum(at.made["directions"]["parts"][i]) + at.made["directions"]["residual"][i] + 0.1
    assert abs(total - at.made["texts"]["margin"][i]) < 0.01
    assert f"{total:+.2f}".rstrip("0").replace("-", "−") in at.page.inner_text("#panel")
    strongest = max(at.made["saliency"]["words"][i], key=lambda each: abs(each[2]))
    assert text[strongest[0] : strongest[1]] in at.page.locator("#the-text .pull-3").all_inner_texts()
    nearest = [at.made["texts"]["train"]["text"][k] for k in at.made["texts"]["neighbours"]["harmful"][i]]
    assert at.page.locator("#panel .near-texts >> nth=0").locator(".a-text").all_inner_texts() == nearest


def test_hostile_texts_are_shown_literally(reader):
    at = reader(len(HOSTILE), texts=HOSTILE, title="<b>{{DATA}}</b>")
    dialogs = watch(at.page)
    seen = set()
    at.page.select_option("#sort", "file")
    for _ in HOSTILE:
        at.page.keyboard.press("j")
        seen.add(at.text)
    assert seen == set(HOSTILE)
    for view in at.page.evaluate("[...document.querySelectorAll('#tabs [data-view]')].map((tab) => tab.dataset.view)"):
        at.show(view)
    assert is_quiet(at.page, "<b>{{DATA}}</b>")
    assert dialogs == []


def test_harmful_texts_are_blurred_until_asked_for(reader):
    at = reader(40)
    harmful = [i for i, m in enumerate(at.made["texts"]["margin"]) if m > 0]
    at.page.evaluate("(hash) => { location.hash = hash; }", f"#text={at.made['texts']['uid'][harmful[0]]}")
    at.page.wait_for_selector("#the-text")
    blurred = "getComputedStyle(document.getElementById('the-text')).filter"
    assert at.page.evaluate(blurred) != "none"
    at.page.click("text=Show this text")
    assert at.page.evaluate(blurred) == "none"
    at.page.keyboard.press("j")
    at.page.keyboard.press("b")
    veiled = "[...document.querySelectorAll('.veiled')].map((each) => getComputedStyle(each).filter)"
    assert set(at.page.evaluate(veiled)) == {"none"}


def test_what_a_person_chose_survives_in_the_address_and_nonsense_does_not(reader):
    at = reader(50, hash_="#m=-0.5..1&d=oops&view=nowhere&show=01&sort=harmful&q=a%20by&only=%00")
    margin = np.array(at.made["texts"]["margin"])
    assert at.page.input_value("#search") == "a by"
    assert at.page.input_value("#sort") == "harmful"
    held = [i for i, text in enumerate(at.made["texts"]["text"]) if "a by" in text.lower() and -0.5 <= margin[i] <= 1]
    assert at.count <= len(held)
    assert at.page.locator("#view-map").is_visible()


@pytest.mark.parametrize(("n", "sides"), [(0, "both"), (1, "both"), (30, "harmful"), (30, "harmless")])
def test_few_and_one_sided_texts_open(reader, n, sides):
    at = reader(n, sides=sides)
    assert at.count == n
    for view in at.page.evaluate("[...document.querySelectorAll('#tabs [data-view]')].map((tab) => tab.dataset.view)"):
        at.show(view)
    at.page.keyboard.press("j")
    assert bool(at.text) == (n > 0)


def test_the_list_can_be_taken_along(reader, tmp_path):
    at = reader(60)
    at.page.select_option("#only", "open")
    with at.page.expect_download() as waiting:
        at.page.click("#save-list")
    waiting.value.save_as(tmp_path / "list.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "list.jsonl").read_text("utf-8").splitlines()]
    texts = at.made["texts"]
    still_open = {
        u for u, a, b in zip(texts["uid"], texts["label"], texts["answer"], strict=True) if (a, b) == (None, None)
    }
    assert {row["uid"] for row in rows} == still_open
