"""The projection of units by shared tokens: literal sums, and use of the weights."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from networkx.algorithms import bipartite
from sklearn.metrics import adjusted_rand_score

from tests.interpret.planted import planted
from vos.errors import ConfigError, ShapeError
from vos.interpret.communities import communities
from vos.interpret.projection import project, strongest_neighbours, weighted_projection


def literal(weights):
    u, t = weights.shape
    out = np.zeros((u, u))
    for i in range(u):
        for j in range(u):
            for token in range(t):
                total = sum(weights[k, token] for k in range(u))
                if i != j and total > 0:
                    out[i, j] += weights[i, token] * weights[j, token] / total
    return out


@pytest.mark.parametrize("seed", range(5))
def test_the_projection_is_the_literal_sum(seed):
    draw = np.random.default_rng(seed)
    weights = draw.exponential(size=(7, 9)) * (draw.random((7, 9)) < 0.5)
    weights[:, 3] = 0.0
    assert weighted_projection(weights) == pytest.approx(literal(weights), abs=1e-12)


def test_neighbours_are_those_that_either_end_proposes():
    draw = np.random.default_rng(0)
    dense = draw.exponential(size=(8, 8))
    dense = dense + dense.T
    kept = strongest_neighbours(dense, 3).toarray()
    for i in range(8):
        others = sorted((j for j in range(8) if j != i), key=lambda j: -dense[i, j])
        proposed = set(others[:3]) | {
            j for j in others if i in sorted((x for x in range(8) if x != j), key=lambda x: -dense[j, x])[:3]
        }
        assert set(np.flatnonzero(kept[i])) == proposed
        assert all(kept[i, j] == dense[i, j] for j in proposed)


def test_more_neighbours_than_units_keep_the_graph():
    graph = np.array([[5.0, 1.0], [1.0, 5.0]])
    assert strongest_neighbours(graph, 99).toarray().tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_networkx_throws_the_weights_away_and_this_does_not():
    """Its collaboration weighting is the same graph whatever the weights; with it the planted groups are gone."""
    weights, labels = planted(np.random.default_rng(0), units=8, tokens=10, strength=12.0)
    mine = communities(project(weights), seeds=range(3)).labels
    theirs = [collaboration(weights), collaboration(np.where(weights > 0, 1.0, 0.0))]
    assert np.array_equal(theirs[0], theirs[1])
    lost = communities(strongest_neighbours(theirs[0], len(labels)), seeds=range(3)).labels
    assert adjusted_rand_score(labels, mine) >= 0.95
    assert adjusted_rand_score(labels, lost) < 0.2


def collaboration(weights):
    graph = networkx.Graph()
    u, t = weights.shape
    graph.add_nodes_from(range(u))
    graph.add_nodes_from(range(u, u + t))
    graph.add_weighted_edges_from((i, u + j, weights[i, j]) for i in range(u) for j in range(t) if weights[i, j])
    projected = bipartite.collaboration_weighted_projected_graph(graph, range(u))
    return networkx.to_numpy_array(projected, nodelist=range(u))


def test_a_changed_weight_changes_the_result():
    weights = np.kron(np.eye(2), np.ones((4, 3))) + 0.05
    before = communities(project(weights), seeds=range(3)).labels
    weights[0] = [0.05, 0.05, 0.05, 3.0, 3.0, 3.0]
    after = communities(project(weights), seeds=range(3)).labels
    assert before[0] == before[1] != before[4]
    assert after[0] == after[4] != after[1]


@pytest.mark.parametrize("weights", [np.zeros((0, 5)), np.zeros((1, 5)), np.zeros((4, 0)), np.zeros((4, 5))])
def test_nothing_to_share_gives_no_edges(weights):
    graph = project(weights)
    assert graph.shape == (len(weights), len(weights))
    assert graph.nnz == 0


@pytest.mark.parametrize("bad", [np.ones(3), np.array([[-1.0]]), np.array([[np.nan]]), np.array([[np.inf]])])
def test_other_weights_are_refused(bad):
    with pytest.raises(ShapeError, match="weights"):
        weighted_projection(bad)


def test_other_graphs_are_refused():
    with pytest.raises(ShapeError, match="square"):
        strongest_neighbours(np.ones((2, 3)))
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        strongest_neighbours(np.ones((2, 2)), 0)
