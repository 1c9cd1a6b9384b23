"""Tries of hand-made units: the planted pattern is recovered and predicts every text."""

import numpy as np
import pytest

from vos.interpret.graph_views import drawn
from vos.interpret.pruning import Pruned, prune, run_together
from vos.interpret.trie import KEY, LEFT, RIGHT, Pattern, Slot, TokenIndex, Trie, pattern_of

A, B, C = 3, 4, 5


def reader(unit):
    return lambda rows: np.array([[unit(row)] for row in rows], dtype=np.float32)


def recovered(unit, rows):
    found = run_together([(0, prune(row)) for row in rows], reader(unit))
    return Trie.of(pattern_of(pruned) for pruned in found if pruned is not None)


def within(row, gap):
    """2 where A stands before B with at most `gap` tokens between."""
    return 2.0 * any(t == A and B in row[i + 1 : i + 2 + gap] for i, t in enumerate(row))


def made(seed, n, length=9):
    rng = np.random.default_rng(seed)
    return [tuple(rng.choice([A, B, *range(6, 20)], length).tolist()) for _ in range(n)]


UNITS = {
    "one word": lambda row: 1.5 * (A in row),
    "either of two": lambda row: 1.0 * (A in row or B in row),
    "a ... b": lambda row: within(row, 12),
    "a b": lambda row: within(row, 0),
}


@pytest.mark.parametrize("name", UNITS)
def test_a_planted_pattern_predicts_every_held_out_text(name):
    unit = UNITS[name]
    trie = recovered(unit, made(0, 400))
    held_out = made(1, 600)
    truth = np.array([unit(row) for row in held_out])
    assert 0.005 < (truth > 0).mean() < 0.95
    np.testing.assert_array_equal(trie.predict(TokenIndex(held_out)), truth)


def test_planted_patterns_come_back():
    assert recovered(UNITS["one word"], made(0, 100)).paths() == {((KEY, False, A),)}
    assert recovered(UNITS["either of two"], made(0, 100)).paths() == {((KEY, False, A),), ((KEY, False, B),)}
    (gap,) = recovered(UNITS["a ... b"], made(0, 100)).paths()
    assert gap == ((KEY, False, A), (RIGHT, True, B))
    (beside,) = recovered(UNITS["a b"], made(0, 400)).paths()
    assert beside == ((KEY, False, A), (RIGHT, False, B))


def trie_of(*patterns, max_gap=2):
    """Each pattern: row, kept places, saliency, activation."""
    return Trie.of(
        pattern_of(Pruned(row, kept, full, full, 0.0, saliency), max_gap=max_gap)
        for row, kept, saliency, full in patterns
    )


def test_the_key_is_the_most_salient_and_both_sides_hang_on_it():
    trie = trie_of(((A, 9, B, C), (0, 2, 3), (0.6, 0.9, 0.7), 4.0))
    assert [(n.side, n.gap, n.token, n.depth, n.parent) for n in trie.nodes] == [
        (KEY, 0, B, 0, None),
        (LEFT, 2, A, 1, 0),
        (RIGHT, 0, C, 2, 1),
    ]
    assert [n.saliency for n in trie.nodes] == [0.9, 0.6, 0.7]
    rows = [(A, B, C), (A, 7, 7, B, C), (A, 7, 7, 7, B, C), (A, B, 7, C), (B, C), (C, B, A), ()]
    assert trie.predict(TokenIndex(rows)).tolist() == [4, 4, 0, 0, 0, 0, 0]


def test_the_longest_match_counts_not_the_highest():
    trie = trie_of(((A,), (0,), (1.0,), 3.0), ((9, A), (0, 1), (0.6, 0.8), 1.0))
    assert len(trie.nodes) == 2  # one key, a prefix of the other
    assert trie.predict(TokenIndex([(A,), (9, A), (9, 8, A), (9, A, 8, A)])).tolist() == [3, 1, 3, 3]


def test_a_gap_may_be_as_long_as_it_was():
    trie = trie_of(((A, 7, 7, 7, 7, B), (0, 5), (0.9, 0.8), 1.0))
    assert trie.predict(TokenIndex([(A, *[8] * n, B) for n in range(7)])).tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_substitutes_stand_for_the_token_with_less():
    pattern = pattern_of(Pruned((A, B), (0, 1), 2.0, 2.0, 1.0, (0.9, 0.8)), [[(6, 0.5)], [(7, 0.75)]])
    trie = Trie.of([pattern])
    assert trie.predict(TokenIndex([(A, B), (6, B), (A, 7), (6, 7), (7, B)])).tolist() == [2, 1, 1.5, 0.75, 0]


def test_matches_say_where():
    trie = trie_of(((A, 9, B), (0, 2), (0.9, 0.8), 1.0))
    matches = list(trie.matches(TokenIndex([(8, A, 8, B, 8), (A, B, A, B)])))
    assert [(row, m.start, m.end) for row, m in matches] == [(0, 1, 4), (1, 0, 2), (1, 2, 4)]


def test_the_order_of_patterns_does_not_count():
    patterns = [
        pattern_of(Pruned(row, kept, 1.0, 1.0, 0.5, (0.9,) * len(kept)))
        for row, kept in [((A, B), (0, 1)), ((A, 9, B), (0, 2)), ((A,), (0,)), ((B, A), (0, 1))]
    ]
    forward, back = Trie.of(patterns), Trie.of(reversed(patterns))
    assert forward.paths() == back.paths()
    assert [(n.token, n.gap, n.parent) for n in forward.nodes] == [(n.token, n.gap, n.parent) for n in back.nodes]


def test_what_is_drawn_as_one_has_the_highest_numbers_of_all():
    slots = [(Slot(KEY, 0, key, {key: 1.0}), Slot(RIGHT, 0, C, {C: 1.0})) for key in (A, B)]
    patterns = zip(slots, (1.0, 9.0), strict=True)
    trie = Trie.of(Pattern(pair, (1.0, 0.5), activation) for pair, activation in patterns)
    trie.settle(TokenIndex([(A, C), (B, C), (B, C), (B, C)]), np.array([False, True, True, True]))
    key, child = drawn(trie, "t{}".format)
    assert (key.tokens, child.tokens, child.parent) == (("t3", "t4"), ("t5",), 0)
    ends = [node for node in trie.nodes if node.activations]
    assert (child.activation, child.reliability) == (9.0, max(node.reliability for node in ends))
    assert len({node.reliability for node in ends}) == 2


def test_no_pattern_predicts_nothing():
    assert Trie.of([]).predict(TokenIndex([(A,), ()])).tolist() == [0, 0]
    assert pattern_of(Pruned((A,), (), 1.0, 1.0, 0.5, ())) is None
