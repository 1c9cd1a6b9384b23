"""The distribution of the distance of real texts from their class, estimated from held-out texts.

Under the true parameters of a Gaussian the squared Mahalanobis distance is chi-square distributed. Under fitted
parameters, with about as many features as texts and an encoder trained on the same texts, it is not: held-out texts lie
much farther out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

TAIL_SHARE = 0.1
"""The generalised-Pareto tail is fitted to this share of the distances, the largest."""

FEWEST_IN_TAIL = 10
"""The tail is fitted to at least this many distances, if there are as many."""

LARGEST_SHAPE = 0.5
"""Bound on the shape of the tail, of either sign. Above one half the tail has no variance, and a few texts could make a
radius unbounded."""

FEW = 30
"""With fewer texts than this the tail is at least as long as that of a chi-square distribution of the same scale."""


@dataclass(frozen=True, eq=False)
class HeldOutLaw:
    """Quantiles of the squared distances of n held-out texts to their own class.

    A new text lies beyond the k-th smallest of n distances with probability `1 - k / (n + 1)`, whatever the
    distribution; so the k-th distance is the quantile `k / (n + 1)`, with interpolation in between. Below the smallest
    distance the quantiles are those of a chi-square distribution scaled to match it; beyond the largest they are
    *extrapolated* with a generalised-Pareto tail fitted to the largest tenth and starting at the largest distance.

    Attributes:
        squared: (n,) float64, ascending, n >= 1.
        d: number of features, the degrees of freedom of the chi-square distributions.

    Source: probability-weighted moments of Hosking and Wallis 1987, "Parameter and quantile estimation for the
    generalized Pareto distribution". The shape is shrunk towards the exponential tail with the weight of ten texts,
    because it varies much in small samples.

    Example:
        >>> law = HeldOutLaw(np.array([4.0, 5.0, 6.0]), d=5)
        >>> law.squared_radius(np.array([0.5, 0.25])), law.largest_measured
        (array([5., 6.]), 0.75)
    """

    squared: Array
    d: int

    @property
    def n(self) -> int:
        """Number of held-out texts."""
        return len(self.squared)

    @property
    def largest_measured(self) -> float:
        """`n / (n + 1)`: a quantile beyond it is extrapolated."""
        return self.n / (self.n + 1)

    def squared_radius(self, beyond: Array) -> Array:
        """Square of the radius beyond which the share `beyond` of new texts lies, elementwise.

        Args:
            beyond: shares `1 - q` in (0, 1]; not quantiles `q`, which lose all digits near one.
        """
        first = 1.0 / (self.n + 1)
        places = first * np.arange(1, self.n + 1)
        squared = np.asarray(np.interp(1.0 - beyond, places, self.squared), dtype=np.float64)
        below, above = beyond > 1.0 - first, beyond < first
        squared[below] = self.squared[0] * _chi2_beyond(self.d, beyond[below]) / _chi2_beyond(self.d, 1.0 - first)
        squared[above] = self._extrapolated(beyond[above])
        return squared

    def share_beyond(self, squared: Array) -> Array:
        """The share of new texts beyond squared radii, elementwise: the inverse of `squared_radius`."""
        first, (low, high) = 1.0 / (self.n + 1), (self.squared[0], self.squared[-1])
        places = first * np.arange(1, self.n + 1)
        beyond = np.asarray(1.0 - np.interp(squared, self.squared, places), dtype=np.float64)
        below, above = squared < low, squared > high
        beyond[below] = special.chdtrc(self.d, squared[below] * (_chi2_beyond(self.d, 1.0 - first) / max(low, _TINY)))
        beyond[above] = self._share_of_tail(squared[above])
        return beyond

    @cached_property
    def tail(self) -> tuple[float, float, float]:
        """Shape and scale of the generalised-Pareto tail and the share beyond its threshold; scale 0 without spread."""
        m = max(math.ceil(TAIL_SHARE * self.n), min(FEWEST_IN_TAIL, self.n - 1))
        m = min(m, self.n - 1)
        if m < 1:
            return 0.0, 0.0, 1.0
        excess = self.squared[self.n - m :] - self.squared[self.n - m - 1]
        mean = float(excess.mean())
        shape = 0.0
        if m > 1 and mean > 0.0:
            weighted = float((excess * np.arange(m - 1, -1, -1)).sum()) / (m * (m - 1))
            spread = max(mean - 2.0 * weighted, 1e-12 * mean)  # zero where all of them are equal
            shape = max(2.0 - mean / spread, -1e3) * m / (m + 10.0)
        shape = min(max(shape, -LARGEST_SHAPE), LARGEST_SHAPE)
        return shape, mean * (1.0 - shape), (m + 1.0) / (self.n + 1.0)

    def _extrapolated(self, beyond: Array) -> Array:
        shape, scale, threshold = self.tail
        first, largest = 1.0 / (self.n + 1), self.squared[-1]
        found = largest + scale * (_box_cox(threshold / beyond, shape) - _box_cox(threshold / first, shape))
        if self._needs_chi_square:
            found = np.maximum(found, largest * _chi2_beyond(self.d, beyond) / _chi2_beyond(self.d, first))
        return np.asarray(found, dtype=np.float64)

    def _share_of_tail(self, squared: Array) -> Array:
        shape, scale, threshold = self.tail
        first, largest = 1.0 / (self.n + 1), self.squared[-1]
        found = np.zeros_like(squared)
        if scale > 0.0:
            y = (squared - largest) / scale + _box_cox(threshold / first, shape)
            found = threshold * np.exp(-_log_inverse_box_cox(y, shape))
        if self._needs_chi_square:
            chi_square = special.chdtrc(self.d, squared * (_chi2_beyond(self.d, first) / max(largest, _TINY)))
            found = np.maximum(found, chi_square)
        return np.asarray(found, dtype=np.float64)

    @property
    def _needs_chi_square(self) -> bool:
        return self.n < FEW or self.tail[1] <= 0.0


_TINY = 1e-200
"""Replaces a distance of zero, which no scale can match; large enough that its inverse does not overflow."""


def chi_square_radius(d: int, beyond: Array) -> Array:
    """Squared radii beyond which the share `beyond` of a d-dimensional Gaussian lies, elementwise.

    Computed from the tail, because the quantile of `1 - beyond` is infinite below 1e-16. Uses the special function
    instead of `scipy.stats`, whose argument checks would take half of the time of a draw.
    """
    return np.asarray(_chi2_beyond(d, beyond), dtype=np.float64)


def chi_square_beyond(d: int, squared: Array) -> Array:
    """The share of a Gaussian in d dimensions beyond squared radii, elementwise."""
    return np.asarray(special.chdtrc(d, squared), dtype=np.float64)


def _chi2_beyond(d: int, beyond: Array | float) -> Array:
    found: Array = special.chdtri(d, beyond)
    return found


def _box_cox(ratio: Array | float, shape: float) -> Array:
    """`(ratio^shape - 1) / shape`, for shape 0 `log ratio`: where the tail is `ratio` times rarer, in scales."""
    log = np.log(ratio)
    return np.asarray(log if abs(shape) < 1e-9 else np.expm1(shape * log) / shape)


def _log_inverse_box_cox(y: Array, shape: float) -> Array:
    """Logarithm of the ratio whose `_box_cox` is y; infinite beyond the end of a bounded tail."""
    if abs(shape) < 1e-9:
        return y
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(np.maximum(shape * y, -1.0)) / shape)
