"""Layouts: deterministic, with separate groups, and units without edges apart."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from vos.interpret.layouts import force_layout, spectral_layout


def two_groups(n=10, between=0.05):
    dense = np.full((2 * n, 2 * n), between)
    dense[:n, :n] = dense[n:, n:] = 1.0
    np.fill_diagonal(dense, 0.0)
    return scipy.sparse.csr_matrix(dense)


@pytest.mark.parametrize("layout", [force_layout, spectral_layout])
def test_the_same_graph_gives_the_same_places_of_three_decimals(layout):
    first, second = layout(two_groups()), layout(two_groups())
    assert np.array_equal(first, second)
    assert np.array_equal(first, first.round(3))
    assert np.abs(first).max() == 1.0


@pytest.mark.parametrize(("layout", "axes"), [(force_layout, 2), (spectral_layout, 1)])
def test_groups_lie_apart(layout, axes):
    # Of two groups alone the second eigenvector tells; the third is any of many, as the processor rounds.
    places = layout(two_groups())[:, :axes]
    centres = places[:10].mean(0), places[10:].mean(0)
    apart = np.linalg.norm(centres[0] - centres[1])
    within = max(np.linalg.norm(places[:10] - centres[0], axis=1).mean(), 1e-9)
    assert apart > 2 * within


def test_no_global_state_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    force_layout(two_groups())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("layout", [force_layout, spectral_layout])
def test_small_and_empty_graphs_have_places(layout):
    assert layout(scipy.sparse.csr_matrix((0, 0))).shape == (0, 2)
    assert layout(scipy.sparse.csr_matrix((1, 1))).tolist() == [[-1.0, -1.15]]
    pair = layout(scipy.sparse.csr_matrix(np.array([[0, 2, 0], [2, 0, 0], [0, 0, 0]])))
    assert pair.tolist() == [[-1.0, 0.0], [1.0, 0.0], [-1.0, -1.15]]
    triangle = layout(scipy.sparse.csr_matrix(np.ones((3, 3)) - np.eye(3)))
    assert np.isfinite(triangle).all()
    assert len(np.unique(triangle, axis=0)) == 3
