"""Topics of unit clusters: values of a data column whose texts activate a cluster more, or less, than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ShapeError
from vos.interpret.communities import NONE, Partition
from vos.interpret.unit_token_graph import Occurrences

LEAST = 5
"""Smallest number of texts with a value of a column."""

MOST_VALUES = 100
"""Largest number of values of a column, the most frequent first; a column of names or hashes has no topics."""

PERMUTATIONS = 200


@dataclass(frozen=True)
class TopicTag:
    """A value of a column whose texts activate a cluster differently.

    Attributes:
        value: value of the column.
        z: difference of the mean of its texts and of the others, in standard errors (Welch's t).
        n: number of texts with this value.
    """

    value: str
    z: float
    n: int


def text_activity(occurrences: Occurrences, labels: Partition) -> NDArray[np.float64]:
    """Mean standardised value of each cluster's units over the tokens of each text: (texts, k).

    Args:
        occurrences: values of u units.
        labels: (u,) clusters from 0; units labelled -1 are ignored.

    Returns:
        The activity; NaN for a text without tokens, which topics ignore.
    """
    values = occurrences.values.astype(np.float64)
    spread = values.std(0) if len(values) else np.ones(values.shape[1])
    centred = (values - values.mean(0)) / np.where(spread > 0, spread, 1.0) if len(values) else values
    k = int(labels.max(initial=NONE)) + 1
    by_cluster = np.stack([centred[:, labels == c].mean(1) for c in range(k)], axis=1) if k else centred[:, :0]
    count = np.bincount(occurrences.texts, minlength=occurrences.n_texts)
    sums = np.zeros((occurrences.n_texts, k))
    np.add.at(sums, occurrences.texts, by_cluster)
    means: NDArray[np.float64] = np.divide(
        sums, count[:, None], out=np.full_like(sums, np.nan), where=count[:, None] > 0
    )
    return means


def topic_tags(
    activity: NDArray[np.float64],
    column: Sequence[object | None],
    generator: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> list[list[TopicTag]]:
    """Values of a column with significantly different activity, with one threshold for all clusters and values.

    |z| must exceed the 95 % quantile of the largest |z| over all clusters and values under permutations of the column.

    Args:
        activity: (n, k) activity of each text and cluster, see `text_activity`.
        column: value of each text, or None.
        generator: random generator of the permutations.
        permutations: number of permutations.

    Returns:
        A list for each cluster, largest |z| first; a negative z means that these texts activate it less.

    Raises:
        ShapeError: the column has another length.

    Example:
        >>> activity = np.linspace(0, 1, 40)[:, None]
        >>> tags = topic_tags(activity, ["low"] * 20 + ["high"] * 20, np.random.default_rng(0))
        >>> sorted((tag.value, tag.z > 0) for tag in tags[0])
        [('high', True), ('low', False)]
    """
    if len(column) != len(activity):
        raise ShapeError(f"column: expected a value for each of the {len(activity)} texts, got {len(column)}")
    known = np.array([value is not None for value in column], dtype=bool) & np.isfinite(activity).all(1)
    values, place, counts = np.unique(
        [str(value) for value, used in zip(column, known, strict=True) if used], return_inverse=True, return_counts=True
    )
    rows, n = activity[known], int(known.sum())
    k = activity.shape[1]
    chosen = [int(v) for v in np.lexsort((values, -counts))[:MOST_VALUES] if LEAST <= counts[v] <= n - LEAST]
    if not chosen or not k:
        return [[] for _ in range(k)]
    member = (place[None, :] == np.array(chosen)[:, None]).astype(np.float64)
    z = _welch(member, rows)
    largest = [np.abs(_welch(member[:, generator.permutation(n)], rows)).max() for _ in range(permutations)]
    threshold = float(np.quantile(largest, 0.95))
    tags = []
    for c in range(k):
        order = sorted(range(len(chosen)), key=lambda v: (-abs(z[v, c]), v))
        tags.append(
            [
                TopicTag(str(values[chosen[v]]), float(z[v, c]), int(counts[chosen[v]]))
                for v in order
                if abs(z[v, c]) > threshold
            ]
        )
    return tags


def _welch(member: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Welch's t (values, k) of the texts that have each value against the others; member (values, n), rows (n, k)."""
    inside = member.sum(1, keepdims=True)
    outside = member.shape[1] - inside
    sums, squares = member @ rows, member @ rows**2
    mean_in, mean_out = sums / inside, (rows.sum(0) - sums) / outside
    var_in = np.maximum(squares / inside - mean_in**2, 0.0)
    var_out = np.maximum(((rows**2).sum(0) - squares) / outside - mean_out**2, 0.0)
    error = np.sqrt(var_in / (inside - 1) + var_out / (outside - 1))
    difference = mean_in - mean_out
    z: NDArray[np.float64] = np.divide(difference, error, out=np.zeros_like(difference), where=error > 1e-12)
    return z
