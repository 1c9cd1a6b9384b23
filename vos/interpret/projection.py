"""Projects a bipartite graph of units and tokens to a graph of units, linked if the same tokens activate both."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError

NEIGHBOURS = 30
"""Number of strongest neighbours kept per unit."""


def weighted_projection(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """`P = W D⁻¹ Wᵀ` with a zero diagonal; `D` is the diagonal matrix of each token's total weight.

    A token links its units in proportion to their weights, divided by its total weight: a token that activates all
    units says little about any two of them (Newman 2001, with weights). `networkx`'s collaboration weighting ignores
    weights: in a nearly complete graph it finds a single community.

    Args:
        weights: (u, T), non-negative.

    Returns:
        (u, u) symmetric; a token without weight is ignored.

    Raises:
        ShapeError: not a matrix of finite weights >= 0.

    Example:
        >>> weighted_projection(np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 4.0]])).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    matrix = checked_weights(weights)
    sums = matrix.sum(0)
    shared = matrix * np.sqrt(np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0))
    projected: NDArray[np.float64] = shared @ shared.T
    np.fill_diagonal(projected, 0.0)
    return projected


def strongest_neighbours(graph: NDArray[np.floating], k: int = NEIGHBOURS) -> scipy.sparse.csr_matrix:
    """The edges that are among the `k` strongest of either end; ties go to the first units.

    Args:
        graph: (u, u) symmetric weights >= 0; the diagonal is ignored.
        k: number of edges per unit, at least 1.

    Returns:
        (u, u) symmetric sparse matrix without a diagonal; a unit has at least k edges, unless it has fewer in `graph`.

    Raises:
        ShapeError: not a square matrix of finite weights >= 0.
        ConfigError: k below 1.

    Example:
        >>> strongest_neighbours(np.array([[0, 3, 1], [3, 0, 2], [1, 2, 0]]), 1).toarray().tolist()
        [[0.0, 3.0, 0.0], [3.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    if k < 1:
        raise ConfigError(f"neighbours: expected at least 1, got {k}")
    matrix = checked_weights(graph).copy()
    n = len(matrix)
    if matrix.shape != (n, n):
        raise ShapeError(f"expected a square matrix of weights, got the shape {matrix.shape}")
    np.fill_diagonal(matrix, 0.0)
    kept = np.zeros((n, n), dtype=bool)
    order = np.argsort(-matrix, axis=1, kind="stable")[:, : min(k, max(n - 1, 0))]
    np.put_along_axis(kept, order, values=True, axis=1)
    return scipy.sparse.csr_matrix(np.where(kept | kept.T, matrix, 0.0))


def project(weights: NDArray[np.floating], k: int = NEIGHBOURS) -> scipy.sparse.csr_matrix:
    """The `strongest_neighbours` of the `weighted_projection`: (u, u) sparse from weights (u, T)."""
    return strongest_neighbours(weighted_projection(weights), k)


def checked_weights(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """The checked weights in float64.

    Raises:
        ShapeError: not a matrix, or some weights are negative or not finite.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2:
        raise ShapeError(f"expected a matrix of weights, got the shape {matrix.shape}")
    if matrix.size and not (np.isfinite(matrix).all() and matrix.min() >= 0):
        raise ShapeError("expected finite weights >= 0, found others; check the activations that they come from")
    return matrix
