"""Greedy facility location against brute force, and the properties on which its bound depends."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.mining.facility_location import FacilityLocation


def problem(seed, p=9, q=12, steps=None):
    draw = np.random.default_rng(seed)
    similarity = draw.uniform(size=(p, q))
    if steps:  # few values, so that gains tie
        similarity = np.round(similarity * steps) / steps
    return similarity.astype(np.float32), draw.uniform(size=q), draw.uniform(size=q) / 3


def value(similarity, weights, covered, chosen):
    """The objective, one demand after the other."""
    total = 0.0
    for j in range(len(weights)):
        total += weights[j] * max([covered[j], *(float(similarity[i, j]) for i in chosen)])
    return total


def literal(similarity, weights, covered, n):
    """The greedy choice with everything computed anew in every step; the first of equal gains."""
    chosen = []
    while len(chosen) < min(n, len(similarity)):
        before = value(similarity, weights, covered, chosen)
        gains = [
            -math.inf if i in chosen else value(similarity, weights, covered, [*chosen, i]) - before
            for i in range(len(similarity))
        ]
        chosen.append(max(range(len(gains)), key=lambda i: (round(gains[i], 12), -i)))
    return chosen


def greedy(similarity, weights, covered, n):
    location = FacilityLocation(similarity, weights, covered.copy())
    chosen = []
    while len(chosen) < n and (best := location.best()) is not None:
        location.take(best[0])
        chosen.append(best[0])
    return chosen, location


@pytest.mark.parametrize("seed", range(20))
def test_the_lazy_choice_is_the_literal_one(seed):
    similarity, weights, covered = problem(seed)
    chosen, location = greedy(similarity, weights, covered, 9)
    assert chosen == literal(similarity, weights, covered, 9)
    assert location.value == pytest.approx(value(similarity, weights, covered, chosen), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_choice_is_within_the_greedy_bound_of_the_best_set(seed, n):
    similarity, weights, covered = problem(seed, p=8, q=6)
    start = value(similarity, weights, covered, [])
    best = max(value(similarity, weights, covered, s) for s in itertools.combinations(range(8), n)) - start
    chosen, _ = greedy(similarity, weights, covered, n)
    found = value(similarity, weights, covered, chosen) - start
    assert found >= (1 - (1 - 1 / n) ** n) * best - 1e-9
    assert found <= best + 1e-9


def test_equal_gains_go_in_the_order_of_the_rows():
    similarity = np.array([[0.5, 0.0], [0.0, 0.5], [0.5, 0.0], [0.0, 0.5]], dtype=np.float32)
    chosen, _ = greedy(similarity, np.ones(2), np.zeros(2), 4)
    assert chosen == [0, 1, 2, 3]


def test_gains_fall_and_a_row_is_offered_once():
    similarity, weights, covered = problem(3, p=30, q=40)
    location = FacilityLocation(similarity, weights, covered.copy())
    gains, rows = [], []
    while (best := location.best()) is not None:
        row, gain = best
        assert gain == pytest.approx(float(location.added(row).sum()))
        location.take(row)
        gains.append(gain)
        rows.append(row)
    assert sorted(rows) == list(range(30))
    assert gains == sorted(gains, reverse=True)


def test_a_row_that_is_not_taken_covers_nothing():
    similarity = np.array([[1.0, 1.0], [0.9, 0.9]], dtype=np.float32)
    location = FacilityLocation(similarity, np.ones(2))
    assert location.best() == (0, 2.0)
    row, gain = location.best()
    assert (row, gain) == (1, pytest.approx(1.8))


def test_two_may_share_what_is_covered():
    similarity = np.eye(3, dtype=np.float32)
    first = FacilityLocation(similarity, np.ones(3))
    second = FacilityLocation(similarity[:2].copy(), np.ones(3), first.covered)
    second.take(0)
    assert first.covered.tolist() == [1.0, 0.0, 0.0]
    assert first.best()[0] == 1
