"""Means, paired differences and their t-intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean and the half-width of its t-interval; NaN where there are fewer than two values.

    Attributes:
        mean: of the values.
        half: half-width.
        n: number of values.
    """

    mean: float
    half: float
    n: int

    @property
    def free_of_zero(self) -> bool:
        """True when the interval excludes zero; never for fewer than two values."""
        return self.n > 1 and abs(self.mean) > self.half


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean and half-width `t_{n-1} s / √n` of the t-interval."""
    n = len(values)
    if n < 2:
        return Interval(float(np.mean(values)) if n else float("nan"), float("nan"), n)
    half = stats.sem(values) * stats.t.ppf(0.5 + 0.5 * confidence, n - 1)
    return Interval(float(np.mean(values)), float(half), n)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float], confidence: float = 0.95) -> Interval:
    """Interval of the differences `ours - theirs`, over the seeds that both have."""
    return interval([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())], confidence)
