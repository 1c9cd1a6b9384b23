"""Pairs of text sets for comparison."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import ShapeError
from vos.interpret.text_sets import (
    UNKNOWN,
    balanced,
    mistakes_against_right,
    near_against_core,
    neighbours_against_rest,
    selections,
)


def test_near_and_core_are_compared_within_each_predicted_class():
    near, core = np.array([1, 0, 1, 0], dtype=bool), np.array([0, 1, 0, 1], dtype=bool)
    pairs = near_against_core(near, core, np.array([0, 0, 1, 1]), ("calm", "harm", "unused"))
    assert [(p.in_a.tolist(), p.in_b.tolist()) for p in pairs] == [
        ([True, False, False, False], [False, True, False, False]),
        ([False, False, True, False], [False, False, False, True]),
    ]
    assert "calm" in pairs[0].a
    assert len({p.name for p in pairs}) == 2


def test_misses_hits_false_alarms_and_passed_texts_are_those_of_the_sides():
    # Classes 1 and 2 are harmful: taking one for the other is a hit.
    label = np.array([0, 0, 1, 1, 2, 2, UNKNOWN])
    prediction = np.array([0, 1, 0, 1, 1, 2, 0])
    misses, alarms = mistakes_against_right(label, prediction, 3, (1, 2))
    assert np.flatnonzero(misses.in_a).tolist() == [2]
    assert np.flatnonzero(misses.in_b).tolist() == [3, 4, 5]
    assert np.flatnonzero(alarms.in_a).tolist() == [1]
    assert np.flatnonzero(alarms.in_b).tolist() == [0]


def test_without_a_harmful_class_mistakes_stand_against_right_predictions():
    (pair,) = mistakes_against_right(np.array([0, 1, 2, UNKNOWN]), np.array([0, 2, 2, 1]), 3, ())
    assert np.flatnonzero(pair.in_a).tolist() == [1]
    assert np.flatnonzero(pair.in_b).tolist() == [0, 2]


def test_neighbours_stand_against_all_others_that_take_part():
    pair = neighbours_against_rest(np.array([[0, 2], [2, -1]]), np.array([True, True, True, False, True]))
    assert np.flatnonzero(pair.in_a).tolist() == [0, 2]
    assert np.flatnonzero(pair.in_b).tolist() == [1, 4]


def test_what_is_in_both_selections_is_in_neither_set():
    pair = selections("mine", np.array([1, 1, 0], dtype=bool), np.array([0, 1, 1], dtype=bool), ("left", "right"))
    assert (pair.in_a.tolist(), pair.in_b.tolist()) == ([True, False, False], [False, False, True])
    with pytest.raises(ShapeError, match="one length"):
        selections("mine", np.zeros(2, dtype=bool), np.zeros(3, dtype=bool), ("left", "right"))


def test_sources_stand_in_the_same_proportions_on_both_sides():
    stratum = np.array([0] * 100 + [1] * 100)
    rows = np.arange(200) % 100
    pair = selections("p", rows < np.where(stratum == 0, 10, 40), rows >= 50, ("a", "b"))
    found = balanced(pair, stratum, np.random.default_rng(0))
    counts = [[int((own & (stratum == s)).sum()) for s in (0, 1)] for own in (found.in_a, found.in_b)]
    assert counts == [[10, 40], [12, 50]]
    assert not (found.in_b & ~pair.in_b).any()


def test_a_source_that_one_side_lacks_is_left_out_of_both():
    stratum = np.array([0, 0, 1, 1, 1, 2])
    pair = selections(
        "p", np.array([1, 0, 1, 1, 0, 0], dtype=bool), np.array([0, 1, 0, 0, 0, 1], dtype=bool), ("a", "b")
    )
    found = balanced(pair, stratum, np.random.default_rng(0))
    assert found.in_a.tolist() == [True, False, False, False, False, False]
    assert found.in_b.tolist() == [False, True, False, False, False, False]
    none = selections("p", stratum == 0, stratum == 1, ("a", "b"))
    found = balanced(none, stratum, np.random.default_rng(0))
    assert not found.in_a.any()
    assert not found.in_b.any()
