"""Greedy facility location: chooses points so that every demand is near a chosen one."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class FacilityLocation:
    """Maximises `f(S) = Σ_j w_j max(c_j, max_{i in S} s_ij)` one point at a time.

    f is monotone and submodular: a point adds less the more points are chosen before it. So the greedy choice reaches
    at least `1 - 1/e = 0.63` of the best value for its size (Nemhauser, Wolsey and Fisher 1978), and the gain of a
    point is an upper bound of its later gains: only the point with the largest bound is evaluated again (lazy
    evaluation, Minoux 1978). Both hold for points that are chosen without further constraints.

    Args:
        similarity: (p, q) float32 in [0, 1], p points against q demands; not copied.
        weights: (q,) weights of the demands, not negative.
        covered: (q,) float64 in [0, 1], initial coverage, updated in place, so that several objects can share it; None:
            zero.
    """

    def __init__(self, similarity: Array, weights: Array, covered: Array | None = None) -> None:
        self.similarity, self.weights = similarity, weights.astype(np.float64)
        self.covered = np.zeros(similarity.shape[1]) if covered is None else covered
        self._queue = [(-self._gain(row), row) for row in range(len(similarity))]
        heapq.heapify(self._queue)

    def best(self) -> tuple[int, float] | None:
        """The row with the largest gain, and the gain; it is not returned again. None if no row is left."""
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
        """The value f of the points chosen so far."""
        return float(self.weights @ self.covered)

    def added(self, row: int) -> Array:
        """The gain of a row for each demand: (q,) float64."""
        gains: Array = self.weights * np.maximum(self.similarity[row] - self.covered, 0.0)
        return gains

    def _gain(self, row: int) -> float:
        return float(self.added(row).sum())
