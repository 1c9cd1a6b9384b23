"""Positions of a graph's units in the plane, for drawing; the same graph and seed give the same positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from vos.interpret.spectral import spectrum
from vos.storage.extras import optional

DECIMALS = 3
"""Number of decimals of a coordinate; smaller differences are rounding errors that vary between machines."""

UNLINKED = -1.15
"""Height of the row of units without edges, below the others."""


def spectral_layout(graph: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
    """Positions (u, 2) in [-1, 1] from the second and third eigenvector of the normalised Laplacian.

    The sign of an eigenvector is arbitrary: the (first) largest coordinate is made positive.

    Args:
        graph: (u, u) symmetric weights >= 0 without a diagonal.
    """
    linked = np.flatnonzero(np.asarray(graph.sum(1)).ravel() > 0)
    places: NDArray[np.float64] = np.zeros((len(linked), 2))
    if len(linked) > 2:
        found = spectrum(graph, 3)
        degrees = np.asarray(graph.sum(1)).ravel()[linked]
        places = found.vectors[:, 1:3] / np.sqrt(degrees)[:, None]
        places = places * np.sign(places[np.abs(places.round(9)).argmax(0), [0, 1]])
    elif len(linked) == 2:
        places = np.array([[-1.0, 0.0], [1.0, 0.0]])
    return _placed(graph.shape[0], linked, places)


def force_layout(graph: scipy.sparse.csr_matrix, seed: int = 0, iterations: int = 60) -> NDArray[np.float64]:
    """Positions (u, 2) in [-1, 1]: edges attract by their weight, units repel (Fruchterman and Reingold 1991).

    It starts from `spectral_layout` with small random offsets, so that groups need not cross each other.

    Args:
        graph: (u, u) symmetric weights >= 0 without a diagonal.
        seed: seed of the offsets.
        iterations: iterations of networkx's `spring_layout`.

    Raises:
        ConfigError: networkx is not installed.

    Example:
        >>> pair = scipy.sparse.csr_matrix(np.array([[0, 1], [1, 0]]))
        >>> bool(np.array_equal(force_layout(pair), force_layout(pair)))
        True
    """
    networkx: Any = optional("networkx", "atlas", "layouts of graphs")
    linked = np.flatnonzero(np.asarray(graph.sum(1)).ravel() > 0)
    if len(linked) < 3:
        return spectral_layout(graph)
    start = spectral_layout(graph)[linked]
    # Units with the same neighbours start at the same position, where forces have no direction.
    start = start + np.random.default_rng(seed).normal(scale=0.05, size=start.shape)
    part = graph[linked][:, linked] / graph.max()
    drawn = networkx.spring_layout(
        networkx.from_scipy_sparse_array(part), pos=dict(enumerate(start)), seed=seed, iterations=iterations
    )
    return _placed(graph.shape[0], linked, np.array([drawn[i] for i in range(len(linked))]))


def _placed(n: int, linked: NDArray[np.intp], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions of all units: those with edges scaled to [-1, 1], the others in a row below."""
    layout = np.zeros((n, 2))
    if len(linked):
        middle = (places.max(0) + places.min(0)) / 2
        spread = float(np.abs(places - middle).max())
        layout[linked] = (places - middle) / (spread if spread > 0 else 1.0)
    others = np.setdiff1d(np.arange(n), linked)
    layout[others] = np.stack([np.linspace(-1.0, 1.0, len(others)), np.full(len(others), UNLINKED)], axis=1)
    return layout.round(DECIMALS) + 0.0  # no negative zero
