"""Token graphs from texts to scores, on hand-made units: the winner, recovered patterns, and the drawing."""

import numpy as np
import pytest

from vos.interpret.graph_views import drawn, search, similar
from vos.interpret.substitutes import NearestTokens
from vos.interpret.token_graphs import (
    MARGIN_SIDES,
    GraphTexts,
    Target,
    TokenGraphSettings,
    direction_ends,
    token_graphs,
)
from vos.interpret.trie import TokenIndex

A, B, C = 3, 4, 5
UNITS = [Target("unit", layer=0, unit=i) for i in range(9)]


def reader(*units):
    return lambda rows: np.array([[unit(row) for unit in units] for row in rows], dtype=np.float32).reshape(
        len(rows), len(units)
    )


def a_before_b(row):
    return 2.0 * (A in row and B in row[row.index(A) + 1 :])


def word_a(row):
    return 1.0 * (A in row)


def either(row):
    return 1.0 * (A in row or B in row)


def spread(row):
    """Active where there are three of many words at least: a matter of counting, not of a pattern."""
    return float(np.clip(sum(token >= 20 for token in set(row)) - 2, 0, 2))


def texts_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(len(rows)) < len(rows) // 2
    return GraphTexts(
        tuple(rows), tuple(tuple(f"w{t}" for t in row) for row in rows), held_out, rng.random(len(rows)) < 0.2
    )


def made(n=600, seed=0, vocabulary=40):
    rng = np.random.default_rng(seed)
    weights = np.ones(vocabulary)
    weights[[A, B]] = 6  # both words in many texts, in either order
    weights /= weights.sum()
    return [tuple(rng.choice(vocabulary, 10, p=weights).tolist()) for _ in range(n)]


def graphs_of(units, rows=None, propose=None, seed=0):
    texts = texts_of(made() if rows is None else rows)
    rng = np.random.default_rng(seed)
    return texts, token_graphs(reader(*units), UNITS[: len(units)], texts, propose, rng)


def test_where_order_matters_the_graph_beats_the_words_and_predicts_exactly():
    texts, (graph,) = graphs_of([a_before_b])
    held_out = [texts.rows[i] for i in texts.test]
    truth = np.array([a_before_b(row) for row in held_out])
    assert 0.1 < (truth > 0).mean() < 0.6
    np.testing.assert_array_equal(graph.trie.predict(TokenIndex(held_out)), truth)
    assert graph.score.f1["graph"] == 1.0
    assert max(graph.score.f1[name] for name in ("token", "bigram", "words")) < 0.95
    assert graph.score.winner == "graph"
    assert graph.score.active == pytest.approx((truth > 0).mean())


def test_where_one_word_decides_the_simplest_wins():
    _, (one, two) = graphs_of([word_a, either])
    assert one.score.f1 == {"graph": 1.0, "token": 1.0, "bigram": pytest.approx(0.9, abs=0.15), "words": 1.0}
    assert one.score.winner == two.score.winner == "token"


def test_where_words_are_counted_the_bag_of_words_wins():
    rng = np.random.default_rng(3)
    rows = [tuple(rng.integers(0, 40, 8).tolist()) for _ in range(800)]
    _, (graph,) = graphs_of([spread], rows)
    assert graph.score.winner == "words"
    assert graph.score.f1["words"] > graph.score.f1["graph"] + 0.02


def test_only_training_texts_are_read_for_a_graph():
    texts = texts_of(made())
    secret = {texts.rows[i] for i in texts.test}
    values = reader(a_before_b)(texts.rows)

    def guarded(rows):
        assert not secret & set(rows)
        return reader(a_before_b)(rows)

    (graph,) = token_graphs(guarded, UNITS[:1], texts, None, np.random.default_rng(0), values=values)
    assert set(graph.sources) <= set(texts.train.tolist())
    assert len(graph.sources) == TokenGraphSettings().n_sources


def test_sources_are_the_most_active_then_near_ones_then_others():
    texts = texts_of(made())
    rng = np.random.default_rng(5)
    values = rng.random((len(texts.rows), 1)).astype(np.float32) + 1
    (graph,) = token_graphs(reader(word_a), UNITS[:1], texts, None, np.random.default_rng(0), values=values)
    ranked = texts.train[np.argsort(-values[texts.train, 0])]
    assert list(graph.sources[:10]) == ranked[:10].tolist()
    assert texts.near[list(graph.sources[10:20])].all()
    assert len(set(graph.sources)) == TokenGraphSettings().n_sources


def test_two_copies_of_a_unit_are_found_as_a_pair():
    _, graphs = graphs_of([a_before_b, word_a, a_before_b, either])
    assert similar([graph.trie for graph in graphs]) == [(0, 2, 1.0), (1, 3, 0.5)]
    assert similar([]) == []


def test_substitutes_join_the_graph():
    rows = made(300)
    like_a = 39  # never in the texts of a unit that fires on it too

    def unit(row):
        return 1.0 * (A in row) + 0.8 * (like_a in row and A not in row)

    embeddings = np.random.default_rng(0).normal(size=(40, 12))
    embeddings[like_a] = embeddings[A] + 0.01
    rows = [tuple(6 if t == like_a else t for t in row) for row in rows]
    _, (graph,) = graphs_of([unit], rows, NearestTokens(embeddings, range(40), 4))
    np.testing.assert_allclose(graph.trie.predict(TokenIndex([(7, like_a), (7, A), (7, 8)])), [0.8, 1.0, 0.0])


def test_margin_sides_and_directions():
    def margin(row):
        return 1.0 * (A in row) - 0.5

    texts = texts_of(made())
    both = token_graphs(reader(margin, lambda row: -margin(row)), MARGIN_SIDES, texts, None, np.random.default_rng(0))
    assert both[0].trie.paths() == {((0, False, A),)}
    assert both[0].score.f1["graph"] == 1.0
    assert both[1].trie.paths() == set()  # a text without any word is harmless: no word makes it so
    assert both[1].score.f1["graph"] == 0.0
    assert [(t.direction, t.side) for t in direction_ends(2)] == [(0, "+"), (1, "+"), (0, "-"), (1, "-")]


@pytest.mark.parametrize("rows", [[], [()], [(A,)], [(), (A,), (), (B,)], [(9, 9)] * 6])
def test_empty_and_one_token_texts(rows):
    _, graphs = graphs_of([a_before_b, word_a], rows)
    assert all(0 <= value <= 1 for graph in graphs for value in graph.score.f1.values())


def test_a_unit_that_never_fires_has_no_winner():
    _, (graph,) = graphs_of([lambda _row: -0.1])
    assert (graph.score.winner, graph.trie.nodes, graph.sources) == ("none", [], ())


def test_the_tree_draws_what_is_alike_once():
    _, graphs = graphs_of([either, a_before_b])
    (leaf,) = drawn(graphs[0].trie, "t{}".format)
    assert (leaf.tokens, leaf.parent, leaf.depth, leaf.side, leaf.activation) == (("t3", "t4"), None, 0, "key", 1.0)
    nodes = drawn(graphs[1].trie, "t{}".format)
    assert [(n.tokens, n.depth, n.parent, n.side) for n in nodes] == [
        (("t3",), 0, None, "key"),
        (("t4",), 1, 0, "right"),
    ]
    assert nodes[0].activation is None
    assert nodes[1].activation == 2.0
    assert len(drawn(graphs[0].trie, "t{}".format, most=1)) == 1
    assert drawn(graphs[0].trie, "t{}".format, most=0) == []


def test_search_finds_units_by_word_the_surest_first():
    _, graphs = graphs_of([a_before_b, either, lambda row: 1.0 * (C in row)])
    trees = [drawn(graph.trie, "T{}".format) for graph in graphs]
    assert [i for i, _ in search(trees, "t4")] == [1, 0]
    assert [i for i, _ in search(trees, "t5")] == [2]
    assert search(trees, "zebra") == []


def test_matches_name_one_place_in_each_text():
    texts, (graph,) = graphs_of([a_before_b])
    matches = graph.matches(texts, 5)
    assert len({row for row, _ in matches}) == 5
    assert all(texts.rows[row][m.start] == A and texts.rows[row][m.end - 1] == B for row, m in matches)
