"""Communities of a weighted graph, and their stability under other seeds and other texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from vos.errors import ConfigError
from vos.storage.extras import optional

Algorithm = Literal["leiden", "louvain"]
ALGORITHMS = {"leiden": "Leiden", "louvain": "Louvain"}
"""Names of scikit-network's classes."""

NONE = -1
"""Community of a unit without edges."""

SEEDS = 10
"""Number of orders of the units that are tried, because both algorithms depend on the order."""

BOOTSTRAPS = 20
"""Number of bootstrap draws of the texts."""

Partition = NDArray[np.int64]


@dataclass(frozen=True)
class Communities:
    """A partition of units.

    Attributes:
        labels: (u,) int64, communities from 0, the largest first; -1 for a unit without edges.
        agreement: mean adjusted Rand index of the partitions of all seeds with this one; 1 for a single seed.
        modularity: of the partition, at resolution 1.
    """

    labels: Partition
    agreement: float
    modularity: float

    @property
    def n(self) -> int:
        """Number of communities."""
        return int(self.labels.max(initial=NONE)) + 1


def communities(
    graph: scipy.sparse.csr_matrix,
    seeds: Sequence[int],
    algorithm: Algorithm = "louvain",
    resolution: float = 1.0,
) -> Communities:
    """Groups of units with more internal weight than expected by chance; the medoid of the partitions of all seeds.

    Louvain (Blondel and others 2008) or Leiden (Traag, Waltman and van Eck 2019) of scikit-network. The order in which
    units are visited decides between almost equally good partitions, so it is random for each seed, and the partition
    that agrees best with the others is returned.

    With Leiden the same seeds may give another partition: scikit-network 0.33 uses C's `rand()` in its refinement,
    which cannot be seeded. On units of trained encoders both gave the same partition, so Louvain is the default.

    Args:
        graph: (u, u) symmetric weights >= 0 without a diagonal.
        seeds: one or more seeds of the orders.
        algorithm: see above.
        resolution: values above 1 give more and smaller communities.

    Raises:
        ConfigError: no seed, an unknown algorithm, a resolution that is not positive, or scikit-network is missing.

    Example:
        >>> pairs = scipy.sparse.csr_matrix(np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3)))
        >>> communities(pairs, seeds=range(3)).labels.tolist()
        [0, 0, 0, 1, 1, 1]
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"algorithm: expected one of {sorted(ALGORITHMS)}, got {algorithm!r}")
    if not len(seeds) or not resolution > 0:
        raise ConfigError(f"expected one seed or more and a resolution above 0, got {list(seeds)} and {resolution}")
    partitions = [_partition(graph, int(seed), algorithm, resolution) for seed in seeds]
    best, agreement = medoid(partitions)
    return Communities(partitions[best], agreement, modularity(graph, partitions[best]))


def _partition(graph: scipy.sparse.csr_matrix, seed: int, algorithm: str, resolution: float) -> Partition:
    clustering: Any = optional("sknetwork.clustering", "atlas", "communities of units")
    linked = np.flatnonzero(np.asarray(graph.sum(1)).ravel() > 0)
    labels = np.full(graph.shape[0], NONE, dtype=np.int64)
    if len(linked):
        # The modularity of an undirected graph; the library's default, for directed graphs, gives the same here.
        finder = getattr(clustering, ALGORITHMS[algorithm])(
            resolution=resolution, modularity="newman", shuffle_nodes=True, random_state=seed % 2**32
        )
        labels[linked] = finder.fit_predict(scipy.sparse.csr_matrix(graph[linked][:, linked]))
    return by_size(labels)


def by_size(labels: Partition) -> Partition:
    """The same partition with communities numbered by decreasing size; ties keep their order of appearance.

    Example:
        >>> by_size(np.array([7, 3, 3, -1])).tolist()
        [1, 0, 0, -1]
    """
    values, first, counts = np.unique(labels[labels != NONE], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    renamed = np.full_like(labels, NONE)
    for rank, place in enumerate(order):
        renamed[labels == values[place]] = rank
    return renamed


def medoid(partitions: Sequence[Partition]) -> tuple[int, float]:
    """The partition that agrees best with the others (the first if tied), and its mean adjusted Rand index."""
    n = len(partitions)
    agreement = np.ones((n, n))
    for i in range(n):
        for j in range(i):
            agreement[i, j] = agreement[j, i] = adjusted_rand_score(partitions[i], partitions[j])
    others = (agreement.sum(1) - 1) / max(n - 1, 1)
    best = int(np.argmax(others))
    return best, float(others[best]) if n > 1 else 1.0


def modularity(graph: scipy.sparse.csr_matrix, labels: Partition) -> float:
    """Newman's modularity: the share of weight inside communities minus its expectation for these degrees."""
    total = float(graph.sum())
    if total == 0:
        return 0.0
    degrees = np.asarray(graph.sum(1)).ravel()
    value = 0.0
    for c in range(int(labels.max(initial=NONE)) + 1):
        inside = labels == c
        value += float(graph[inside][:, inside].sum()) / total - (float(degrees[inside].sum()) / total) ** 2
    return value


def bootstrap_agreement(
    partition_of: Callable[[NDArray[np.float64]], Partition],
    labels: Partition,
    n_texts: int,
    generator: np.random.Generator,
    draws: int = BOOTSTRAPS,
) -> NDArray[np.float64]:
    """Adjusted Rand index of a partition with the partitions of bootstrap draws of the texts.

    Args:
        partition_of: maps the weights of the texts (n_texts,) to a partition (u,).
        labels: (u,) the partition from all texts.
        n_texts: number of texts, drawn with replacement.
        generator: random generator of the draws.
        draws: number of draws.

    Returns:
        (draws,) in [-1, 1]; 1 if nothing depends on the texts.
    """
    found = np.empty(draws)
    for draw in range(draws):
        counts = np.bincount(generator.integers(n_texts, size=n_texts), minlength=n_texts).astype(np.float64)
        found[draw] = adjusted_rand_score(labels, partition_of(counts))
    return found
