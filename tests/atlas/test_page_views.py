"""The views of the atlas in a real Chromium: what they show, what a click does, and how a failed check is shown."""

from __future__ import annotations

import re
from itertools import accumulate

import numpy as np
import pytest

from tests.atlas.artefacts import VIEWS as ARTEFACTS
from vos.interpret.words import split_words

pytestmark = pytest.mark.slow  # a real Chromium

VIEWS = (
    "map", "shortcuts", "differences", "coverage", "units", "communities", "graphs", "directions", "vocabulary",
    "dreams", "trust",
)  # fmt: skip
NEEDS = {"units": "importance", "graphs": "token_graphs"}


def words_of(text):
    return [word.text for word in split_words(text)]


def holding(at, word):
    wanted = words_of(word)
    return {
        i
        for i, text in enumerate(at.made["texts"]["text"])
        if any(words_of(text)[k : k + len(wanted)] == wanted for k in range(len(words_of(text))))
    }


def having(at, view, tokens):
    """Texts that have one of these tokens, as the producer of a view wrote them."""
    return {i for token in tokens for i in accumulate(at.made[view]["token_rows"][token])}


def test_every_view_draws_and_a_missing_artefact_drops_only_its_own(reader):
    at = reader(60)
    for view in VIEWS:
        at.show(view)
        assert at.page.locator(f"#view-{view} .notice").count() == 0
        assert len(at.page.inner_text(f"#view-{view}")) > 60
    at = reader(60, without=ARTEFACTS)
    for view in VIEWS:
        at.show(view)
        if view not in ("map", "trust"):
            assert f"only={NEEDS.get(view, view)}" in at.page.inner_text(f"#view-{view} .notice")
    at.page.keyboard.press("j")
    assert at.text


def test_a_failed_check_greys_its_view_and_says_why(reader):
    at = reader(60, failing=("communities", "outliers", "saliency", "directions"))
    at.show("communities")
    body = at.page.locator("#view-communities .view-body")
    assert body.evaluate("(each) => each.inert")
    assert float(body.evaluate("(each) => getComputedStyle(each).opacity")) < 0.6
    assert "The communities of this model are not to be relied on." in at.page.inner_text(
        "#view-communities .view-checks"
    )
    at.page.click("#view-communities >> text=Show it all the same")
    assert not body.evaluate("(each) => each.inert")
    at.show("map")
    assert "virtual outliers" not in at.page.inner_text(".legend").lower()
    at.page.keyboard.press("j")
    assert "The saliency of this model" in at.page.inner_text("#panel")
    assert at.page.locator("#the-text .pull").count() == 0
    assert at.page.locator("#panel .part.greyed h3").all_inner_texts()[0] == "Directions"
    at.show("shortcuts")
    assert not at.page.locator("#view-shortcuts .view-body").evaluate("(each) => each.inert")


def test_a_check_of_integrated_gradients_is_about_the_texts_read_so(reader):
    at = reader(
        20, failing=("saliency",), check_name="integrated gradients agree", texts=["short and shoved", "shoved " * 80]
    )
    at.page.select_option("#sort", "file")
    at.page.keyboard.press("j")
    assert at.page.locator("#the-text .pull").count() > 0
    at.page.keyboard.press("j")
    assert at.page.locator("#the-text .pull").count() == 0
    assert "The saliency of this model" in at.page.inner_text("#panel")


@pytest.mark.parametrize("word", ["shoved", "!!", "way home"])
def test_a_word_of_the_shortcuts_lists_the_texts_that_hold_it(reader, word):
    at = reader(120)
    at.show("shortcuts")
    at.page.click(f"#view-shortcuts [data-token='{word}'] >> nth=0")
    held = holding(at, word)
    assert 0 < len(held) < 120
    assert at.count == len(held)
    assert set(at.listed()) <= held
    assert f"“{word}”" in at.page.inner_text("#chips")
    at.page.click(f"#view-shortcuts [data-token='{word}'] >> nth=0")
    assert at.count == 120


def test_a_token_lists_the_texts_in_which_the_model_reads_it(reader):
    at = reader(120)
    at.show("communities")
    at.page.click("#view-communities [data-piece='##w'] >> nth=0")
    held = having(at, "communities", ["##w"])
    assert 0 < len(held) < sum("w" in text.lower() for text in at.made["texts"]["text"])
    assert at.count == len(held)
    assert set(at.listed()) <= held
    assert "has the token “##w”" in at.page.inner_text("#chips")
    at.settled()
    address = at.address
    at.page.reload()
    at.wait()
    assert (at.count, at.address) == (len(held), address)
    at.show("graphs")
    at.page.fill("#graph-search", "threat")
    assert at.page.locator("#view-graphs .choices button").count() > 0
    at.page.keyboard.press("Escape")
    at.page.locator("#list").focus()
    at.page.keyboard.press("Escape")
    assert at.count == 120


def test_words_of_any_script_are_found_as_the_producers_split_them(reader):
    words = {"杀": 0, "don't": 1, "strasse": 2, "बुरा": 4}
    texts = ["他威胁要杀人。", "I don’t know him", "Die Straße ist leer", "so unbelievable", "बहुत बुरा"]
    at = reader(40, texts=texts, hash_="#view=shortcuts")
    for word, i in words.items():
        assert holding(at, word) == {i}
        at.page.evaluate("(word) => { location.hash = '#token=' + encodeURIComponent(word); }", word)
        at.page.wait_for_function("(word) => document.getElementById('chips').textContent.includes(word)", arg=word)
        assert (word, at.listed()) == (word, [i])


def test_a_direction_lists_the_texts_that_it_pushes_most(reader):
    at = reader(120)
    at.show("directions")
    parts = np.array(at.made["directions"]["parts"])
    most = np.abs(parts).argmax(1)
    for sign, title in ((1, "towards harmful"), (-1, "towards harmless")):
        at.page.click(f"#view-directions article:first-of-type >> text={title}")
        expected = set(np.flatnonzero((most == 0) & (sign * parts[:, 0] > 0)).tolist())
        assert at.count == len(expected) > 0
        assert set(at.listed()) <= expected
    unnamed = [card["id"] for card in at.made["directions"]["cards"] if not card["ends"][0]["named"]]
    shown = at.page.locator("#view-directions article")
    assert all("no name" in shown.nth(k).inner_text() for k in unnamed)


def test_coverage_adds_up_and_a_cell_lists_its_texts(reader):
    at = reader(200)
    at.show("coverage")
    at.page.select_option("#measure", "n")
    rows = [row.split() for row in at.page.locator("#view-coverage tbody tr").all_inner_texts()]
    counts = np.array([[int(re.sub(",.*", "", cell)) for cell in at.page.locator("#view-coverage tbody tr").nth(k)
                        .locator("td").all_inner_texts()] for k in range(len(rows))])  # fmt: skip
    assert counts[-1, -1] == 200
    np.testing.assert_array_equal(counts[:-1].sum(0), counts[-1])
    np.testing.assert_array_equal(counts[:, :-1].sum(1), counts[:, -1])
    at.page.click("#view-coverage .cell >> nth=1")
    cluster, margin = np.array(at.made["texts"]["cluster"]), np.array(at.made["texts"]["margin"])
    inside = (cluster == 0) & (margin >= -0.5) & (margin < 0.5)
    assert at.count == inside.sum() == counts[0, 1]
    assert "margin" in at.page.inner_text("#chips")


def test_a_unit_is_one_choice_in_every_view(reader):
    at = reader(120)
    at.show("units")
    unit = at.page.locator("#view-units tbody .word").first.inner_text()
    at.page.click("#view-units tbody .word >> nth=0")
    top = next(each for each in at.made["importance"]["top"] if f"{each['layer']}.{each['unit']}" == unit)
    assert at.count == len(having(at, "importance", top["tokens"]))
    at.settled()
    assert f"unit={unit}" in at.address
    at.show("communities")
    assert f"unit {unit}" in at.page.inner_text("#chips")


def test_a_community_lists_texts_with_its_words_and_nodes_can_be_dragged(reader):
    at = reader(120)
    at.show("communities")
    at.page.click("#view-communities .group-card .link >> nth=1")
    group = at.made["communities"]["views"][0]["groups"][1]
    assert at.count == len(having(at, "communities", (each["token"] for each in group["tokens"])))
    node = at.page.locator("#view-communities .node").first
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    place = node.get_attribute("transform")
    at.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    at.page.mouse.down()
    at.page.mouse.move(box["x"] + 40, box["y"] + 30, steps=4)
    at.page.mouse.up()
    assert node.get_attribute("transform") != place
    whole = at.page.locator("#view-communities .graph svg > g")
    at.page.click("#view-communities .graph >> text=+")
    at.page.wait_for_timeout(50)
    assert "scale(1.4" in whole.get_attribute("transform")
    assert at.page.locator("#view-communities .edge").count() == len(at.made["communities"]["views"][0]["edges"])


def test_a_token_graph_shows_its_rivals_names_the_winner_and_can_be_searched(reader):
    at = reader(60)
    at.show("graphs")
    said = at.page.inner_text("#view-graphs")
    assert "bag of words (best)" in said
    for value in at.made["token_graphs"]["graphs"][0]["f1"].values():
        assert f"{value:g}" in said
    at.page.fill("#graph-search", "picnic")
    assert at.page.locator("#view-graphs .choices button").all_inner_texts()[0].startswith("the margin")
    at.page.fill("#graph-search", "")
    at.page.click("text=unit 1.7")
    assert "token graph (best)" in at.page.inner_text("#view-graphs")
    assert at.page.locator("#view-graphs .node").count() == 3
    example = at.made["token_graphs"]["graphs"][1]["examples"][0]
    at.page.click(f"#view-graphs [data-i='{example['i']}']")
    assert at.text == at.made["texts"]["text"][example["i"]]
    at.page.click("#panel >> text=unit 1.7")
    text = at.made["texts"]["text"][example["i"]]
    assert at.page.inner_text("#the-text mark") == text[example["start"] : example["end"]]


def test_differences_stand_or_say_that_they_do_not_and_a_selection_can_be_compared(reader):
    at = reader(300)
    at.show("differences")
    terms = [each for each in at.made["differences"]["pairs"][0]["terms"] if each["confirmed"]]
    shown = at.page.locator("#view-differences .term .word").all_inner_texts()
    assert sorted(shown) == sorted(each["term"] for each in terms)
    at.page.click("#view-differences >> text=misses")
    assert "No reliable difference" in at.page.inner_text("#view-differences")
    at.page.fill("#search", "shoved")
    at.page.click("#view-differences >> text=Your selection")
    at.page.click("text=Compare with the rest")
    assert at.page.locator("#view-differences tbody .word").first.inner_text() == "shoved"
    assert "1 term" in at.page.inner_text("#view-differences") or "stand" in at.page.inner_text("#view-differences")


def test_the_trust_view_holds_every_check(reader):
    at = reader(40, failing=("vocabulary",))
    at.show("trust")
    said = at.page.inner_text("#view-trust")
    for name in ARTEFACTS[:-1]:
        for check in at.made[name]["checks"]:
            assert check["name"] in said
    assert said.count("✕ failed") == 1
    assert at.made["texts"]["run"]["model_hash"] in said
    rows = {cells[1]: cells for cells in (row.split("\t") for row in said.split("\n")) if len(cells) > 5}
    assert rows["nearest texts differ"][4] == "≤ 0.8"
    assert rows["layers that write what they read"][4] == "> 1"
    assert rows["top three words flip"][3:5] == ["–", "–"]


def test_what_made_a_number_is_what_the_page_says(reader):
    at = reader(40, hash_="#outlier=0&view=communities")
    assert at.page.locator("#view-communities [aria-label=Method] button").all_inner_texts() == ["Louvain", "Spectral"]
    at.show("units")
    assert "rank correlation 0.45 with the score." in at.page.inner_text("#view-units")
    assert "thin" not in at.page.inner_text("#panel")


def test_back_returns_to_the_view_and_text_before(reader):
    at = reader(40)
    at.page.keyboard.press("j")
    first = at.text
    at.page.keyboard.press("j")
    at.show("coverage")
    at.page.go_back()
    at.page.wait_for_selector("#view-map:visible")
    at.page.go_back()
    at.page.wait_for_function("(text) => document.getElementById('the-text').textContent === text", arg=first)
