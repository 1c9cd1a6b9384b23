"""What clusters of units stand for: the tokens that move them, clusters that share these, and topics of their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.communities import NONE, Partition

RATIO = 2.0
"""A token's weight in a cluster against its weight elsewhere, a unit, from which on it counts."""

LEVEL = 0.01
"""Largest p-value of a token."""

PERMUTATIONS = 500
"""Of the units' clusters, or of a column's values."""

ALIKE = 0.5
"""Share of the smaller token group that two clusters have in common from which on they count as one."""


@dataclass(frozen=True)
class TokenShare:
    """A token of a cluster.

    Attributes:
        token: its column in the weights.
        share: of the token's weight that lies in the cluster.
        ratio: mean weight in the cluster over that elsewhere; infinite where there is none elsewhere.
        p: share of permutations with as much weight in the cluster, `(r + 1) / (n + 1)`.
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
    """The tokens of each cluster: at least `ratio` times the weight elsewhere, and by permutation p < `level`.

    The null gives each unit the cluster of another. Where the clusters were found in the same weights, that is too
    easy to beat: take weights from texts that the clusters were not found in.

    Args:
        weights: (u, T) >= 0.
        labels: (u,) clusters from 0; units labelled -1 are left out.
        generator: of the permutations.
        ratio: see above.
        level: see above; `permutations` must allow it.
        permutations: how many.

    Returns:
        A list for each cluster, the largest ratio first.

    Raises:
        ShapeError: labels that do not fit the weights.
        ConfigError: a level that so few permutations cannot reach.

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
        return [[] for _ in range(k)]  # nothing lies elsewhere
    groups = []
    for c in range(k):
        tokens = np.flatnonzero((ratios[c] >= ratio) & (p[c] < level))
        order = tokens[np.lexsort((tokens, -ratios[c][tokens]))]
        groups.append([TokenShare(int(t), float(shares[c, t]), float(ratios[c, t]), float(p[c, t])) for t in order])
    return groups


def merge_alike(groups: Sequence[Sequence[TokenShare]], alike: float = ALIKE) -> list[list[int]]:
    """Clusters whose token groups overlap: sets of cluster indices, each cluster in one of them.

    Two clusters belong together where they share at least `alike` of the smaller group; so do those that both belong
    to a third. A cluster without tokens stays alone.

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
