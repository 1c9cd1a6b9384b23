"""Which way a direction pushes: with two classes, with several, and where no class is harmful."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.atlas.worlds import NAMES, THREE, of_three_classes, toy_data, toy_world
from vos.atlas import produce_directions
from vos.atlas.settings import AtlasSettings
from vos.models import EncoderClassifier

SETTINGS = AtlasSettings(n_texts=80, n_outliers=4)
SIZES = {"n_val": 30, "n_test": 30, "n_pool": 30}


@pytest.mark.parametrize(
    ("names", "harmful"), [(NAMES, (1,)), (NAMES, ()), (THREE, (1, 2)), (THREE, (0,)), (THREE, ())]
)
def test_an_end_has_the_name_of_a_side_only_if_all_its_texts_are_pushed_there(
    tiny_encoder, names, harmful, monkeypatch
):
    monkeypatch.setattr("vos.atlas.direction_cards.untuned_features", lambda *_: None)
    monkeypatch.setattr(produce_directions, "RESAMPLES", 1)
    monkeypatch.setattr(produce_directions, "NUMBERS", (6,))
    monkeypatch.setattr(produce_directions, "_control", lambda *_: None)
    data = of_three_classes(harmful, **SIZES) if len(names) == 3 else toy_data(**SIZES, harmful=harmful)
    world = toy_world(EncoderClassifier(tiny_encoder, names, max_length=32, harmful=harmful), data=data)
    found = produce_directions.produce(world, SETTINGS)
    weight = world.head.weight.double().numpy()
    logits = world.features @ weight.T + world.head.bias.double().numpy()
    codes, atoms = found["arrays"]["codes"], found["arrays"]["atoms"]
    for row, bits in zip(codes, found["positive"], strict=True):
        assert [bits >> j & 1 for j in range(len(row))] == (row > 0).astype(int).tolist()
    named = 0
    for card in found["cards"]:
        step = weight @ atoms[card["id"]]  # what one unit of the code adds to each logit
        for end in card["ends"]:
            pushed = set()
            for row in logits:
                order = np.argsort(-row, kind="stable").tolist()
                sides = [[c for c in order if (c in harmful) == wanted] for wanted in (True, False)]
                a, b = (sides[0][0], sides[1][0]) if harmful else order[:2]
                towards = a if end["sign"] * (step[a] - step[b]) > 0 else b
                pushed.add(("harmful" if towards in harmful else "harmless") if harmful else names[towards])
            assert end["towards"] == (pushed.pop() if len(pushed) == 1 else None)
            named += end["towards"] is not None
    if len(names) == 2:  # with more, an end may have no side
        assert named == 2 * len(found["cards"])


def most_at(at, direction, positive):
    """Texts at an end of a direction that pushes them most."""
    parts = np.array(at.made["directions"]["parts"])
    bit = np.array(at.made["directions"]["positive"]) >> direction & 1
    return set(np.flatnonzero((np.abs(parts).argmax(1) == direction) & (bit == positive)).tolist())


@pytest.mark.slow  # a real Chromium
def test_with_several_classes_an_end_is_that_of_the_code_wherever_it_is_named(reader):
    at = reader(120, classes=("fine", "rude", "vile"), harmful=(1, 2))
    at.show("directions")
    parts, positive = np.array(at.made["directions"]["parts"]), np.array(at.made["directions"]["positive"])
    card = at.page.locator("#view-directions article").filter(has=at.page.locator("h3:text-is('direction 1')"))
    assert card.locator(".side .link").all_inner_texts() == ["− end", "+ end"]
    assert card.locator(".harm-side, .safe-side").count() == 0
    for end, bit in (("+", 1), ("−", 0)):
        card.locator(f"text={end} end").click()
        expected = most_at(at, 1, bit)
        assert at.count == len(expected) > 0
        assert set(at.listed()) <= expected
        assert f"direction 1, {end} end" in at.page.inner_text("#chips")
    i = next(i for i in sorted(most_at(at, 1, 0)) if parts[i, 1] > 0)  # its part and its code differ in sign
    at.page.keyboard.press("Escape")
    at.page.evaluate("(hash) => { location.hash = hash; }", f"#text={at.made['texts']['uid'][i]}")
    at.page.wait_for_selector("#panel .bar-row")
    at.page.locator("#panel button.bar-row").nth(1).click()
    at.settled()
    assert "dir=1-" in at.address
    assert positive[i] >> 1 & 1 == 0
    assert i in at.listed()
    first = at.page.locator("#view-directions article").filter(has=at.page.locator("h3:text-is('direction 0')"))
    assert first.locator(".side .link").all_inner_texts() == ["towards harmless", "towards harmful"]


@pytest.mark.slow  # a real Chromium
def test_where_no_class_is_harmful_the_page_says_whose_logits_the_parts_compare(reader):
    at = reader(60, classes=("calm", "angry"), harmful=())
    signed = np.sum(at.made["directions"]["parts"], 1) + at.made["directions"]["residual"] + 0.1
    i = int(np.argmin(signed))
    at.page.evaluate("(hash) => { location.hash = hash; }", f"#text={at.made['texts']['uid'][i]}&view=directions")
    at.page.wait_for_selector("#panel .bar-row")
    said = at.page.inner_text("#panel").replace("−", "-")
    total, sentence = re.search(r"Together ([-+.\d]+): (.*)", said).groups()
    assert float(total) == pytest.approx(-at.made["texts"]["margin"][i], abs=0.02)
    assert sentence == "the logit of “angry” minus that of “calm”; the margin is its size."
    ends = at.page.locator("#view-directions article >> nth=0").locator(".side .link").all_inner_texts()
    assert ends == ["towards calm", "towards angry"]
    at.page.click("#view-directions >> text=towards angry >> nth=0")
    assert "direction 0, towards angry" in at.page.inner_text("#chips")
    for view in ("directions", "graphs", "dreams"):
        at.show(view)
        assert "harmful" not in at.page.inner_text("#chips")
    at.show("graphs")
    assert "direction 2, towards angry" in at.page.inner_text("#view-graphs")
