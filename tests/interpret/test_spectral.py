"""Spectral clusters: planted groups, normalised cut by brute force, and null data that do not pass."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import adjusted_rand_score

from tests.interpret.planted import planted
from vos.errors import ConfigError
from vos.interpret.projection import project
from vos.interpret.spectral import n_cut, p_value, shuffled_rows, spectral_clusters, spectrum


def literal_cut(graph, labels):
    total = 0.0
    for c in set(labels):
        leaves = sum(graph[i, j] for i in range(len(labels)) for j in range(len(labels)) if labels[i] == c != labels[j])
        volume = sum(graph[i, j] for i in range(len(labels)) for j in range(len(labels)) if labels[i] == c)
        total += leaves / volume
    return total


@pytest.mark.parametrize("seed", range(2))
def test_n_cut_is_the_literal_sum_for_every_partition(seed):
    draw = np.random.default_rng(seed)
    dense = draw.exponential(size=(5, 5))
    dense = np.triu(dense, 1) + np.triu(dense, 1).T
    graph = scipy.sparse.csr_matrix(dense)
    for labels in itertools.product(range(3), repeat=5):
        assert n_cut(graph, np.array(labels)) == pytest.approx(literal_cut(dense, labels))


@pytest.mark.parametrize("seed", range(5))
def test_spectral_clusters_are_the_best_cut_of_a_tiny_graph(seed):
    draw = np.random.default_rng(seed)
    dense = draw.uniform(0.0, 0.2, size=(7, 7)) + np.kron(np.eye(2), np.ones((4, 4)))[:7, :7]
    dense = np.triu(dense, 1) + np.triu(dense, 1).T
    graph = scipy.sparse.csr_matrix(dense)
    found = n_cut(graph, spectrum(graph, 2).labels(2, seed=0))
    every = [literal_cut(dense, cut) for cut in itertools.product(range(2), repeat=7) if len(set(cut)) == 2]
    assert found == pytest.approx(min(every))


@pytest.mark.parametrize("seed", range(3))
def test_merging_clusters_never_raises_the_cut(seed):
    """Which is why k is not chosen by the smallest n-cut."""
    draw = np.random.default_rng(seed)
    graph = project(draw.exponential(size=(12, 9)))
    labels = draw.permutation(np.repeat(range(4), 3))
    for a, b in itertools.combinations(range(4), 2):
        merged = np.unique(np.where(labels == b, a, labels), return_inverse=True)[1]
        assert n_cut(graph, merged) <= n_cut(graph, labels) + 1e-12


def test_the_spectrum_is_that_of_the_laplacian():
    graph = project(np.random.default_rng(0).exponential(size=(9, 6)), 4)
    dense = graph.toarray()
    scale = np.diag(1 / np.sqrt(dense.sum(0)))
    values = np.linalg.eigvalsh(np.eye(9) - scale @ dense @ scale)
    assert spectrum(graph, 5).values == pytest.approx(values[:5], abs=1e-12)


def test_equal_eigenvalues_are_all_there():
    """A range of places makes LAPACK leave some out of this spectrum."""
    dense = np.kron(np.eye(2), np.full((10, 10), 0.95)) + 0.05
    np.fill_diagonal(dense, 0.0)
    found = spectrum(scipy.sparse.csr_matrix(dense), 5)
    assert found.vectors.shape == (20, 5)
    assert found.values == pytest.approx([0.0, 1 - 8.5 / 9.5, *[1 + 1 / 9.5] * 3])


@pytest.mark.parametrize("seed", range(1))
def test_planted_groups_are_found_and_counted(seed):
    draw = np.random.default_rng(seed)
    weights, labels = planted(draw)
    found = spectral_clusters(weights, draw, shuffles=24)
    assert found.k == 6
    assert adjusted_rand_score(labels, found.labels) >= 0.95
    assert found.gap_p == found.cut_p == 1 / 25
    assert found.cut < found.null_cuts.min()
    assert found.gaps[4] == max(found.gaps)
    assert len(found.gaps) == len(found.null_gaps) == 19


def test_a_shuffled_graph_does_not_pass():
    """Under the null p is uniform on a grid of 20: p <= .05 in 1 of 20; three or more of 8 has probability .006."""
    draw = np.random.default_rng(0)
    weights, _ = planted(draw, groups=3, units=8, tokens=10)
    p = [spectral_clusters(shuffled_rows(weights, draw), draw, shuffles=19, most=6).gap_p for _ in range(8)]
    assert sum(value <= 0.05 for value in p) < 3
    assert spectral_clusters(weights, draw, shuffles=19, most=6).gap_p == 0.05


def test_a_given_number_of_clusters_is_kept():
    draw = np.random.default_rng(0)
    found = spectral_clusters(planted(draw)[0], draw, k=3, shuffles=2)
    assert found.k == 3
    assert set(found.labels.tolist()) == {0, 1, 2}


def test_the_same_generator_gives_the_same_clusters():
    weights, _ = planted(np.random.default_rng(0), groups=3, units=6)
    first, second = (spectral_clusters(weights, np.random.default_rng(4), shuffles=5) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert (first.gap_p, first.cut, *first.null_cuts) == (second.gap_p, second.cut, *second.null_cuts)


def test_shuffled_rows_keep_each_unit_s_weights():
    weights = np.arange(12.0).reshape(3, 4)
    shuffled = shuffled_rows(weights, np.random.default_rng(0))
    assert np.array_equal(np.sort(shuffled, axis=1), weights)
    assert not np.array_equal(shuffled, weights)


@pytest.mark.parametrize(
    ("weights", "labels"),
    [
        (np.zeros((0, 3)), []),
        (np.zeros((1, 3)), [-1]),
        (np.zeros((3, 0)), [-1, -1, -1]),
        (np.zeros((3, 3)), [-1, -1, -1]),
        (np.array([[1.0], [1.0], [0.0]]), [0, 0, -1]),
    ],
)
def test_too_little_to_cluster_is_one_cluster_and_passes_nothing(weights, labels):
    found = spectral_clusters(weights, np.random.default_rng(0), shuffles=2)
    assert found.labels.tolist() == labels
    assert (found.gap_p, found.cut_p, found.cut, len(found.gaps)) == (1.0, 1.0, 0.0, 0)


def test_a_p_value_is_never_zero():
    assert p_value(-1.0, np.zeros(99)) == 0.01
    assert p_value(0.0, np.zeros(99)) == 1.0


def test_bad_settings_are_refused():
    for options in ({"k": 1}, {"most": 1}, {"shuffles": 0}):
        with pytest.raises(ConfigError, match="expected k and most"):
            spectral_clusters(np.ones((4, 4)), np.random.default_rng(0), **options)
