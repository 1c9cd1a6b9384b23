"""Mistakes found by answers, against hand counts."""

from __future__ import annotations

import csv

import pytest
from scipy.stats import binomtest

from tests.labeling.examples import make_label, make_record
from tests.loop.toys import CLASSES
from vos.harmful import Classes
from vos.labeling import Ledger
from vos.labeling.item import Item
from vos.loop.mistakes import FoundMistakes, Rate, found_mistakes, newest, predicted_class
from vos.loop.stop_rule import add_round

THREE = Classes(("hate", "neither", "offensive"), (0, 2))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def propose(ledger, rows, round=0):
    """Texts with (chosen, margin, answer); an answer of None is not given."""
    for i, (chosen, margin, answer) in enumerate(rows):
        text = f"text {round} {i}"
        ledger.propose([make_record(text, chosen=chosen, margin=margin)], round=round)
        if answer is not None:
            ledger.record_label(make_label(text, answer))


ROWS = [
    ("target", -0.1, "harmful"),  # wrong
    ("target", 0.1, "harmful"),
    ("target", 0.2, "harmless"),  # wrong
    ("covered", -0.3, "harmless"),  # any other way of choosing near the boundary
    ("target", 0.4, None),
    ("baseline", -0.1, "harmful"),
    *[("random", -3.0, "harmless")] * 6,
    ("random", -2.0, "harmful"),  # wrong, and missed
    ("random", 2.0, "harmful"),
    ("random", 1.0, "harmful"),
    ("random", 1.0, "harmless"),  # wrong, not missed
]


def wilson(k, n):
    found = binomtest(k, n).proportion_ci(0.95, "wilson")
    return found.low, found.high


def test_mistakes_near_the_boundary_stand_beside_those_at_random(ledger):
    propose(ledger, ROWS)
    found = found_mistakes(ledger, CLASSES)
    assert found == {0: FoundMistakes(Rate(2, 4), Rate(2, 10), Rate(1, 3))}
    expected = {
        "near/n": 4, "near/error": 2 / 4, "near/error_low": wilson(2, 4)[0], "near/error_high": wilson(2, 4)[1],
        "near/labels_per_mistake": 2.0,
        "random/n": 10, "random/error": 2 / 10, "random/error_low": wilson(2, 10)[0],
        "random/error_high": wilson(2, 10)[1], "random/labels_per_mistake": 5.0,
        "random/harmful": 3, "random/fnr": 1 / 3, "random/fnr_low": wilson(1, 3)[0], "random/fnr_high": wilson(1, 3)[1],
    }  # fmt: skip
    assert found[0].metrics() == pytest.approx(expected)


def test_without_a_harmful_class_there_are_errors_only(ledger):
    probability = {"harmless": 0.4, "harmful": 0.6}
    for i, (chosen, answer) in enumerate([("target", "harmful"), ("random", "harmless"), ("random", "harmful")]):
        ledger.propose([make_record(f"text {i}", chosen=chosen, margin=0.4, probability=probability)])
        ledger.record_label(make_label(f"text {i}", answer))
    found = found_mistakes(ledger, Classes(CLASSES.names, ()))[0]
    assert (found.near, found.random, found.missed) == (Rate(0, 1), Rate(1, 2), Rate(0, 0))
    assert not [name for name in found.metrics() if "fnr" in name or "harmful" in name]


def test_one_harmful_class_for_another_is_an_error_and_no_miss(ledger):
    probability = {"hate": 0.2, "neither": 0.3, "offensive": 0.5}
    answers = {"a": "hate", "b": "offensive", "c": "neither"}
    for text, answer in answers.items():
        ledger.propose([make_record(text, chosen="random", margin=0.5, probability=probability)])
        ledger.record_label(make_label(text, answer))
    found = found_mistakes(ledger, THREE)[0]
    assert (found.random, found.missed) == (Rate(2, 3), Rate(0, 2))


def test_rounds_are_told_apart_and_the_newest_speaks_for_each_rate(ledger):
    propose(ledger, ROWS)
    propose(ledger, [("target", 0.1, "harmful"), ("random", -1.0, "harmless"), ("random", -1.0, None)], round=2)
    propose(ledger, [("target", 0.1, None)], round=3)
    found = found_mistakes(ledger, CLASSES)
    assert list(found) == [0, 2]
    assert found[2] == FoundMistakes(Rate(0, 1), Rate(0, 1), Rate(0, 0))
    present = newest(found)
    assert present == FoundMistakes(Rate(0, 1), Rate(0, 1), Rate(1, 3))  # harm was last seen in round 0
    assert not [name for name in present.metrics() if "labels_per_mistake" in name]
    assert newest({}).metrics() == {}


def test_ties_gold_and_texts_without_a_prediction_are_not_judged(ledger):
    propose(ledger, [("target", 0.1, "harmless"), ("target", 0.1, "harmless"), ("target", 0.1, "harmless")])
    ledger.record_label(make_label("text 0 0", "harmful", who="bob"))
    known = make_record("text 0 1").uid
    ledger.export("b0", "page", [known], "gold", {known: {"answer": "harmful"}})
    ledger.propose([Item("somebody else's", {"source": "elsewhere"})])
    ledger.record_label(make_label("somebody else's", "harmful"))
    assert found_mistakes(ledger, CLASSES) == {0: FoundMistakes(Rate(1, 1), Rate(), Rate())}


@pytest.mark.parametrize(
    ("margin", "probability", "classes", "expected"),
    [
        (0.0, {"harmless": 0.5, "harmful": 0.5}, CLASSES, "harmful"),
        (-0.0, {"harmless": 0.5, "harmful": 0.5}, CLASSES, "harmless"),
        (1.0, {}, CLASSES, "harmful"),
        (1.0, {}, THREE, None),
        (-1.0, {}, THREE, "neither"),
        # Two outputs that count as one harmful class: their sum is more than the other, and neither of them is.
        (-0.1, {"harmless": 0.45, "harmful": 0.55}, CLASSES, "harmless"),
        (0.3, {"hate": 0.3, "neither": 0.2, "offensive": 0.5}, THREE, "offensive"),
        (0.3, {"hate": 0.3, "neither": 0.2, "offensive": 0.5}, Classes(THREE.names, ()), "offensive"),
        (None, {"harmless": 1.0}, CLASSES, None),
    ],
)
def test_a_prediction_is_read_from_margin_and_probabilities(margin, probability, classes, expected):
    assert predicted_class({"margin": margin, "probability": probability}, classes) == expected


def test_the_rounds_table_holds_them(tmp_path):
    found = FoundMistakes(Rate(2, 4), Rate(), Rate()).metrics()
    add_round(tmp_path, {"run": "r", "round": 1, "labels": 4, **found})
    with (tmp_path / "labelling_rounds.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["near/error"], row["near/labels_per_mistake"]) == ("0.5", "2.0")
