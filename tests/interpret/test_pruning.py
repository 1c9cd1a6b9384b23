"""Pruning against exhaustive enumeration, on hand-made units whose required tokens are known."""

from itertools import pairwise

import numpy as np
import pytest

from vos.interpret.activations import TAKEN_OUT
from vos.interpret.pruning import only, prune, run_together

A, B, C = 3, 4, 5


def reader(*units):
    """Activations of hand-made units, and how many rows were read."""

    def read(rows):
        read.n_rows += len(rows)
        assert len(set(rows)) == len(rows)  # nothing is read twice in a round
        return np.array([[unit(row) for unit in units] for row in rows], dtype=np.float32).reshape(len(rows), -1)

    read.n_rows = 0
    return read


def word_a(row):
    return float(A in row)


def either(row):
    return max(float(A in row), 0.6 * float(B in row))


def a_then_b(row):
    return float(A in row and B in row[row.index(A) + 1 :])


def weights_of(seed):
    """A unit with an effect of every token and of every pair of neighbours, as real ones have."""
    rng = np.random.default_rng(seed)
    single, pair = rng.normal(size=12), rng.normal(size=(12, 12))

    def unit(row):
        here = [token for token in row if token != TAKEN_OUT]
        total = sum(single[t] for t in here) + sum(pair[s, t] for s, t in pairwise(here))
        return float(max(0.0, total))

    return unit


def literal_greedy(unit, row, floor):
    """Greedy pruning word for word: of all tokens that are left, hide the one whose loss leaves the most."""
    hidden = set()
    while True:
        trials = []
        for place in range(len(row)):
            if place not in hidden:
                masked = tuple(TAKEN_OUT if i in hidden | {place} else token for i, token in enumerate(row))
                trials.append((np.float32(unit(masked)), place))
        if not trials or max(trials)[0] < floor:
            return tuple(i for i in range(len(row)) if i not in hidden)
        hidden.add(max(trials)[1])


@pytest.mark.parametrize("seed", range(30))
def test_short_texts_are_pruned_as_the_literal_greedy_does(seed):
    unit = weights_of(seed)
    rng = np.random.default_rng(seed)
    rows = [tuple(rng.integers(0, 12, rng.integers(1, 9)).tolist()) for _ in range(10)]
    found = run_together([(0, prune(row, exact=8)) for row in rows], reader(unit))
    seen = 0
    for row, pruned in zip(rows, found, strict=True):
        full, empty = np.float32(unit(row)), np.float32(unit((TAKEN_OUT,) * len(row)))
        if full <= max(empty, 0):
            assert pruned is None
            continue
        floor = full / 2 if empty < full / 2 else (full + empty) / 2
        assert pruned.kept == literal_greedy(unit, row, floor)
        assert pruned.value == np.float32(unit(pruned.left)) >= floor
        for place, saliency in zip(pruned.kept, pruned.saliency, strict=True):
            rest = unit(only(row, set(pruned.kept) - {place}))
            assert saliency == pytest.approx(min(1, max(0, 1 - rest / pruned.value)), abs=1e-6)
        seen += 1
    assert seen > 0


@pytest.mark.parametrize("unit", [word_a, either, a_then_b])
def test_long_texts_are_pruned_as_the_literal_greedy_does_and_cheaper(unit):
    rng = np.random.default_rng(0)
    rows = [tuple(rng.permutation([A, B, *rng.integers(6, 50, 30)]).tolist()) for _ in range(12)]
    read = reader(unit)
    found = run_together([(0, prune(row)) for row in rows], read)
    assert {len(p.kept) for p in found if p} == {2 if unit is a_then_b else 1}
    for row, pruned in zip(rows, found, strict=True):
        if pruned is not None:
            assert pruned.kept == literal_greedy(unit, row, 0.5)
    assert read.n_rows < len(rows) * 32 * 33 / 2 / 4


def test_every_kept_token_is_needed_in_long_texts_too():
    rng = np.random.default_rng(1)
    for seed in range(8):
        unit = weights_of(seed)
        row = tuple(rng.integers(0, 12, 30).tolist())
        (pruned,) = run_together([(0, prune(row))], reader(unit))
        if pruned is not None:
            assert pruned.value >= pruned.floor
            assert all(unit(only(row, set(pruned.kept) - {place})) < pruned.floor for place in pruned.kept)


def test_targets_are_pruned_together_as_alone():
    units = [word_a, either, a_then_b]
    row = (9, A, 8, 7, B, 6)
    together = run_together([(k, prune(row)) for k in range(3)], reader(*units))
    alone = [run_together([(0, prune(row))], reader(unit))[0] for unit in units]
    assert together == alone
    assert [p.kept for p in together] == [(1,), (1,), (1, 4)]


def test_rows_that_several_ask_for_are_read_once():
    read = reader(word_a, either)
    run_together([(k, prune((9, A, 8))) for k in (0, 1, 0, 1)], read)
    alone = reader(word_a, either)
    run_together([(k, prune((9, A, 8))) for k in (0, 1)], alone)
    assert read.n_rows == alone.n_rows


def test_a_side_is_kept_with_less_than_half():
    def margin(row):
        return 1.0 * (A in row) + 3.0 * (B in row) + 1.0 * (C in row) - 0.5

    row = (A, 9, B, C)
    (half,) = run_together([(0, prune(row))], reader(margin))
    (side,) = run_together([(0, prune(row, keep_side=True))], reader(margin))
    assert half.kept == side.kept == (2,)
    (low,) = run_together([(0, prune((A, 9, C), keep_side=True))], reader(margin))
    assert len(low.kept) == 1
    assert low.floor == 0.0


def test_a_side_that_no_words_have_too_must_be_told_from_no_words():
    def harmless(row):
        return 1.0 + 2.0 * (A in row)

    (found,) = run_together([(0, prune((9, A, 8), keep_side=True))], reader(harmless))
    assert found.kept == (1,)
    assert found.floor == 2.0
    assert run_together([(0, prune((9, 8), keep_side=True))], reader(harmless)) == [None]


@pytest.mark.parametrize(("row", "kept"), [((), None), ((A,), (0,)), ((9,), None)])
def test_empty_and_one_token_texts(row, kept):
    (found,) = run_together([(0, prune(row))], reader(word_a))
    assert (found and found.kept) == kept


def test_no_work():
    assert run_together([], reader(word_a)) == []
