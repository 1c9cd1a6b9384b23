"""Descriptions of unit clusters by the tokens that activate them, and merging of clusters with similar tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.communities import NONE, Partition

RATIO = 2.0
"""Smallest ratio of a token's mean weight per unit in a cluster to that elsewhere."""

LEVEL = 0.01
"""Largest p-value of a token."""

PERMUTATIONS = 500
"""Number of permutations of the units' clusters, or of a column's values."""

ALIKE = 0.5
"""Overlap of two token groups, as a share of the smaller one, from which two clusters are merged."""


@dataclass(frozen=True)
class TokenShare:
    """A token of a cluster.

    Attributes:
        token: its column in the weights.
        share: share of the token's weight that is in the cluster.
        ratio: mean weight in the cluster divided by that elsewhere; infinite if there is none elsewhere.
        p: permutation p-value of its weight in the cluster, `(r + 1) / (n + 1)`.
    """

    token: int
    share: float
    ratio: float
    p: float


def token_groups(
    weights: NDArray[np.floating],
    labels: Partition,
    generator: np.random.Generator,
    ratio: float = RATIO,
    level: float = LEVEL,
    permutations: int = PERMUTATIONS,
) -> list[list[TokenShare]]:
    """The tokens of each cluster: at least `ratio` times the weight elsewhere, and a permutation p-value below `level`.

    The null distribution permutes the clusters of the units. If the clusters were found in the same weights the test is
    too optimistic: use weights from other texts.

    Args:
        weights: (u, T) >= 0.
        labels: (u,) clusters from 0; units labelled -1 are left out.
        generator: random generator of the permutations.
        ratio: see above.
        level: see above; must be reachable with `permutations`.
        permutations: number of permutations.

    Returns:
        A list for each cluster, largest ratio first.

    Raises:
        ShapeError: the labels do not fit the weights.
        ConfigError: the level cannot be reached with so few permutations.

    Example:
        >>> weights = np.kron(np.eye(2), np.ones((6, 2)))
        >>> found = token_groups(weights, np.repeat([0, 1], 6), np.random.default_rng(0))
        >>> [[share.token for share in group] for group in found]
        [[0, 1], [2, 3]]
    """
    if 1 / (permutations + 1) >= level:
        raise ConfigError(f"token groups: p < {level} needs more than {permutations} permutations")
    if weights.ndim != 2 or len(labels) != len(weights):
        raise ShapeError(f"expected weights (u, T) and labels (u,), got {weights.shape} and {labels.shape}")
    inside = labels != NONE
    matrix, clusters = np.asarray(weights, dtype=np.float64)[inside], labels[inside]
    k = int(clusters.max(initial=NONE)) + 1
    sums = _sums(matrix, clusters, k)
    reached = np.zeros(sums.shape, dtype=np.int64)
    for _ in range(permutations if k > 1 else 0):
        reached += _sums(matrix, generator.permutation(clusters), k) >= sums * (1 - 1e-12)
    p = (reached + 1) / (permutations + 1)
    sizes = np.bincount(clusters, minlength=k)[:, None].astype(np.float64)
    totals = matrix.sum(0)
    own, rest = sums / np.maximum(sizes, 1), (totals - sums) / np.maximum(len(clusters) - sizes, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(own > 0, own / np.maximum(rest, 0.0), 0.0)
        shares = np.where(totals > 0, sums / totals, 0.0)
    if k < 2:
        return [[] for _ in range(k)]  # there is no weight elsewhere
    groups = []
    for c in range(k):
        tokens = np.flatnonzero((ratios[c] >= ratio) & (p[c] < level))
        order = tokens[np.lexsort((tokens, -ratios[c][tokens]))]
        groups.append([TokenShare(int(t), float(shares[c, t]), float(ratios[c, t]), float(p[c, t])) for t in order])
    return groups


def merge_alike(groups: Sequence[Sequence[TokenShare]], alike: float = ALIKE) -> list[list[int]]:
    """Merge clusters whose token groups overlap: sets of cluster indices, each cluster in exactly one.

    Two clusters are merged if they share at least `alike` of the smaller group; merging is transitive. A cluster
    without tokens is not merged.

    Example:
        >>> a, b = [TokenShare(1, 0.9, 3.0, 0.01), TokenShare(2, 0.9, 3.0, 0.01)], [TokenShare(2, 0.9, 3.0, 0.01)]
        >>> merge_alike([a, b, []])
        [[0, 1], [2]]
    """
    tokens = [{share.token for share in group} for group in groups]
    root = list(range(len(groups)))
    for i in range(len(groups)):
        for j in range(i):
            smaller = min(len(tokens[i]), len(tokens[j]))
            if smaller and len(tokens[i] & tokens[j]) >= alike * smaller:
                old, new = root[i], root[j]
                root = [min(old, new) if each in (old, new) else each for each in root]
    return [[i for i, each in enumerate(root) if each == first] for first in sorted(set(root))]


def _sums(weights: NDArray[np.float64], clusters: Partition, k: int) -> NDArray[np.float64]:
    """Weight (k, T) of each token in each cluster."""
    member = np.zeros((k, len(clusters)))
    member[clusters, np.arange(len(clusters))] = 1.0
    return member @ weights
