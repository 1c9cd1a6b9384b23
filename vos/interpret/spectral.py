"""Spectral clusters of a graph of units, tested against graphs with shuffled weights.

Spectral clustering always returns clusters. Whether they are real structure is tested against a null distribution, in
which each unit keeps its weights but with permuted tokens. The number of clusters is chosen by the eigengap, not by the
normalised cut: merging two clusters never increases the cut, so its minimum is always the smallest number tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from vos.errors import ConfigError
from vos.interpret.communities import NONE, Partition, by_size
from vos.interpret.projection import NEIGHBOURS, project

MOST_CLUSTERS = 20
STARTS = 25
"""Number of initialisations of k-means."""

SHUFFLES = 100
"""Number of graphs from the null distribution; p-values are at least 1 / (SHUFFLES + 1)."""


@dataclass(frozen=True)
class SpectralClusters:
    """Clusters of units and their comparison with the null distribution.

    Attributes:
        labels: (u,) int64 clusters from 0, the largest first; -1 for a unit without edges.
        k: number of clusters asked for.
        gaps: (K,) eigengaps `λ_{k+1} - λ_k` for k = 2, 3, ... of the normalised Laplacian.
        null_gaps: (K,) their means under the null.
        gap_p: p-value of the largest excess `gaps - null_gaps` over all k.
        cut: normalised cut of the clusters.
        null_cuts: (shuffles,) cuts of the null graphs' own clusters with the same k.
        cut_p: share of the null graphs with a cut as small, `(r + 1) / (n + 1)`.
    """

    labels: Partition
    k: int
    gaps: NDArray[np.float64]
    null_gaps: NDArray[np.float64]
    gap_p: float
    cut: float
    null_cuts: NDArray[np.float64]
    cut_p: float


def spectral_clusters(
    weights: NDArray[np.floating],
    generator: np.random.Generator,
    k: int | None = None,
    neighbours: int = NEIGHBOURS,
    shuffles: int = SHUFFLES,
    most: int = MOST_CLUSTERS,
) -> SpectralClusters:
    """Cluster the units of a unit-token graph (Ng, Jordan and Weiss 2002), with `k` chosen by its eigengap.

    Args:
        weights: (u, T) >= 0.
        generator: random generator of the shuffles and of k-means.
        k: number of clusters; None: the k from 2 to `most` whose eigengap exceeds the mean under the null most.
        neighbours: see `strongest_neighbours`.
        shuffles: number of null graphs.
        most: largest k that is tried.

    Returns:
        See `SpectralClusters`; with fewer than three connected units one cluster, cuts of 0 and p-values of 1.

    Raises:
        ConfigError: k or `most` below 2, or `shuffles` below 1.
        ShapeError: see `weighted_projection`.
    """
    if min(most, k or 2) < 2 or shuffles < 1:
        raise ConfigError(f"spectral clusters: expected k and most >= 2 and shuffles >= 1, got {k}, {most}, {shuffles}")
    graph = project(weights, neighbours)
    most = min(most, int((graph.sum(1) > 0).sum()) - 1)
    if most < 2:
        return _one_cluster(graph)
    null = [project(shuffled_rows(weights, generator), neighbours) for _ in range(shuffles)]
    spectra = [spectrum(each, most + 1) for each in (graph, *null)]
    gaps = np.stack([np.diff(each.values)[1:] for each in spectra])
    excess = gaps - gaps.mean(0)  # the observed gaps are included in the mean: under the null all rows are exchangeable
    k = min(k or int(excess[0].argmax()) + 2, most)
    seeds = generator.integers(2**31, size=shuffles + 1).tolist()
    labels = spectra[0].labels(k, seeds[0])
    cuts = np.array(
        [n_cut(g, s.labels(k, seed, starts=3)) for g, s, seed in zip(null, spectra[1:], seeds[1:], strict=True)]
    )
    cut = n_cut(graph, labels)
    return SpectralClusters(
        labels,
        k,
        gaps[0],
        gaps[1:].mean(0),
        p_value(-excess[0].max(), -excess[1:].max(1)),
        cut,
        cuts,
        p_value(cut, cuts),
    )


@dataclass(frozen=True)
class Spectrum:
    """The smallest eigenvalues of the normalised Laplacian `1 - D^-1/2 P D^-1/2` of a graph's connected units.

    Attributes:
        values: (m,) ascending from 0; the multiplicity of 0 is the number of connected components.
        vectors: (l, m) one row for each unit with an edge.
        linked: (l,) indices of these units.
        n: number of all units.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    linked: NDArray[np.intp]
    n: int

    def labels(self, k: int, seed: int, starts: int = STARTS) -> Partition:
        """Clusters (u,) by k-means on the first k eigenvectors, with rows normalised to length 1."""
        labels = np.full(self.n, NONE, dtype=np.int64)
        rows = self.vectors[:, :k]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
        labels[self.linked] = KMeans(k, n_init=starts, random_state=seed).fit_predict(rows)
        return by_size(labels)


def spectrum(graph: scipy.sparse.csr_matrix, m: int) -> Spectrum:
    """The `m` smallest eigenvalues and their eigenvectors; m is at most the number of units with an edge."""
    degrees = np.asarray(graph.sum(1)).ravel()
    linked = np.flatnonzero(degrees > 0)
    scale = 1.0 / np.sqrt(degrees[linked])
    affinity = graph[linked][:, linked].toarray() * scale[:, None] * scale[None, :]
    # All are computed: LAPACK returns fewer than requested if an index range splits equal eigenvalues.
    values, vectors = np.linalg.eigh(affinity)
    return Spectrum(1.0 - values[::-1][:m], vectors[:, ::-1][:, :m], linked, graph.shape[0])


def shuffled_rows(weights: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.float64]:
    """Permute the weights (u, T) of each unit independently."""
    return generator.permuted(np.asarray(weights, dtype=np.float64), axis=1)


def n_cut(graph: scipy.sparse.csr_matrix, labels: Partition) -> float:
    """`Σ_c cut(c) / vol(c)`: weight of the edges that leave a cluster, as a share of its volume (Shi and Malik 2000).

    Units labelled -1 belong to no cluster; edges to them leave the cluster. A cluster without weight contributes 0.

    Example:
        >>> path = scipy.sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
        >>> round(n_cut(path, np.array([0, 0, 1])), 4)
        1.3333
    """
    degrees = np.asarray(graph.sum(1)).ravel()
    total = 0.0
    for c in range(int(labels.max(initial=NONE)) + 1):
        inside = labels == c
        volume = float(degrees[inside].sum())
        if volume > 0:
            total += (volume - float(graph[inside][:, inside].sum())) / volume
    return total


def p_value(value: float, null: NDArray[np.float64]) -> float:
    """Share of null values that are as small, `(r + 1) / (n + 1)`: never 0 (Phipson and Smyth 2010).

    Example:
        >>> p_value(0.0, np.array([1.0, 2.0, 3.0]))
        0.25
    """
    return (int((null <= value).sum()) + 1) / (len(null) + 1)


def _one_cluster(graph: scipy.sparse.csr_matrix) -> SpectralClusters:
    labels = np.where(np.asarray(graph.sum(1)).ravel() > 0, 0, NONE).astype(np.int64)
    empty = np.empty(0)
    return SpectralClusters(labels, min(1, int(labels.max(initial=NONE)) + 1), empty, empty, 1.0, 0.0, empty, 1.0)
