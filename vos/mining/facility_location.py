"""Greedy facility location: which points to open so that the demand lies near an open one."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class FacilityLocation:
    """Maximises `f(S) = Σ_j w_j max(c_j, max_{i in S} s_ij)` one point at a time.

    f is monotone and submodular: a point adds less the more are chosen before it. So the greedy choice is within
    `1 - 1/e = 0.63` of the best set of its size (Nemhauser, Wolsey and Fisher 1978), and what a point added once is a
    bound for what it adds later: only points whose bound is the largest are looked at again (lazy evaluation, Minoux
    1978). Both hold for each batch of points that is chosen under no other rule.

    Args:
        similarity: (p, q) float32 in [0, 1], p points against q demands; kept, not copied.
        weights: (q,) of the demands, not negative.
        covered: (q,) float64 in [0, 1], what is covered at the start, kept and updated, so that several can share it;
            None is nothing.
    """

    def __init__(self, similarity: Array, weights: Array, covered: Array | None = None) -> None:
        self.similarity, self.weights = similarity, weights.astype(np.float64)
        self.covered = np.zeros(similarity.shape[1]) if covered is None else covered
        self._queue = [(-self._gain(row), row) for row in range(len(similarity))]
        heapq.heapify(self._queue)

    def best(self) -> tuple[int, float] | None:
        """The row that adds the most, and how much; it is not offered again. None when no row is left."""
        while self._queue:
            _, row = heapq.heappop(self._queue)
            gain = self._gain(row)
            if not self._queue or (-gain, row) <= self._queue[0]:
                return row, gain
            heapq.heappush(self._queue, (-gain, row))
        return None

    def take(self, row: int) -> None:
        """Choose a row."""
        np.maximum(self.covered, self.similarity[row], out=self.covered)

    @property
    def value(self) -> float:
        """F of what is chosen so far."""
        return float(self.weights @ self.covered)

    def added(self, row: int) -> Array:
        """What a row would add for each demand: (q,) float64."""
        gains: Array = self.weights * np.maximum(self.similarity[row] - self.covered, 0.0)
        return gains

    def _gain(self, row: int) -> float:
        return float(self.added(row).sum())
