"""Communities: planted groups, the medoid over seeds, bootstrap draws of texts."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import adjusted_rand_score

from tests.interpret.planted import planted
from vos.errors import ConfigError
from vos.interpret.communities import bootstrap_agreement, by_size, communities, medoid, modularity
from vos.interpret.projection import project


@pytest.mark.parametrize("algorithm", ["leiden", "louvain"])
@pytest.mark.parametrize("seed", range(3))
def test_planted_groups_are_found(algorithm, seed):
    weights, labels = planted(np.random.default_rng(seed))
    found = communities(project(weights), seeds=range(5), algorithm=algorithm)
    assert found.n == 6
    assert adjusted_rand_score(labels, found.labels) >= 0.95
    assert found.agreement >= 0.95


def test_the_same_seeds_give_the_same_partition():
    """Louvain, on a graph with ties; Leiden of scikit-network draws from C's `rand()` and need not."""
    weights = np.random.default_rng(1).exponential(size=(64, 6))
    graph = project(np.concatenate([weights, weights], axis=1))
    first, second = (communities(graph, seeds=[5, 6, 7]) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert first.agreement == second.agreement < 1


def test_no_global_state_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    communities(project(planted(np.random.default_rng(0))[0]), seeds=[1, 2])
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_modularity_is_that_of_networkx():
    draw = np.random.default_rng(0)
    graph = project(draw.exponential(size=(20, 15)), 5)
    labels = draw.integers(3, size=20)
    parts = [set(np.flatnonzero(labels == c).tolist()) for c in range(3)]
    theirs = networkx.community.modularity(networkx.from_scipy_sparse_array(graph), parts)
    assert modularity(graph, labels) == pytest.approx(theirs)


def test_a_higher_resolution_gives_more_communities():
    graph = project(np.random.default_rng(0).exponential(size=(60, 30)))
    few, many = (communities(graph, seeds=range(3), resolution=r).n for r in (0.5, 3.0))
    assert few < many


def test_the_medoid_agrees_best_with_the_others():
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    best, agreement = medoid([b, a, a])
    assert best == 1
    assert agreement == pytest.approx((1 + adjusted_rand_score(a, b)) / 2)
    assert medoid([b]) == (0, 1.0)


def test_communities_are_numbered_by_size_and_keep_their_units():
    labels = np.array([4, 4, 9, 9, 9, -1, 2])
    assert by_size(labels).tolist() == [1, 1, 0, 0, 0, -1, 2]


def test_a_unit_without_edges_belongs_nowhere():
    weights = np.kron(np.eye(2), np.ones((3, 2)))
    weights[5] = 0.0
    assert communities(project(weights), seeds=[0]).labels.tolist() == [0, 0, 0, 1, 1, -1]


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_graph_without_edges_has_no_communities(n):
    found = communities(scipy.sparse.csr_matrix((n, n)), seeds=range(2))
    assert found.labels.tolist() == [-1] * n
    assert (found.n, found.modularity, found.agreement) == (0, 0.0, 1.0)


def test_other_draws_agree_where_texts_do_not_matter_and_only_there():
    labels = np.repeat([0, 1], 10)
    draw = np.random.default_rng(0)
    assert bootstrap_agreement(lambda counts: labels, labels, 30, draw, 4).tolist() == [1.0] * 4
    noise = bootstrap_agreement(lambda counts: draw.integers(2, size=20), labels, 30, draw, 40)
    assert abs(noise.mean()) < 0.1  # an ARI of chance has mean 0; its deviation here is .05 / sqrt(40)


def test_a_draw_of_texts_counts_each_as_often_as_it_was_drawn():
    seen = []
    labels = np.array([0, 1])
    bootstrap_agreement(lambda counts: seen.append(counts) or labels, labels, 50, np.random.default_rng(0), 3)
    assert all(counts.sum() == 50 and len(counts) == 50 and (counts == 0).any() for counts in seen)


def test_bad_settings_are_refused():
    graph = scipy.sparse.csr_matrix((2, 2))
    for options in ({"seeds": []}, {"seeds": [0], "algorithm": "girvan"}, {"seeds": [0], "resolution": 0.0}):
        with pytest.raises(ConfigError, match="expected one"):
            communities(graph, **options)
