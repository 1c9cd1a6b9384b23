"""The surroundings of a virtual outlier: its nearest real texts, their distances, and words it "would contain".

A virtual outlier is a point, not a text. Its nearest texts are searched in the leading whitened directions, where most
outliers have different nearest texts; in the raw or the fully whitened space a few texts are nearest to almost all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vos.density import GaussianDensity
from vos.errors import ShapeError
from vos.interpret.terms import Array, TermMatrix, term_matrix
from vos.interpret.words import is_sign
from vos.mining.targets import TargetSpace
from vos.types import LinearHead

DEAD = 1e-3
"""Share of the median standard deviation below which a coordinate of the features counts as constant."""

DIRECTIONS = 32
"""Number of leading whitened directions; fewer if the features have fewer."""


@dataclass(frozen=True)
class OutlierNeighbors:
    """Nearest real texts of m virtual outliers.

    Attributes:
        rows: (m, k) int64 texts, nearest first.
        distances: (m, k) root mean square over the directions, in within-class standard deviations.
        tenth: median distance of a real text to its tenth nearest real text, in the same unit; None with fewer than
            two texts.
    """

    rows: NDArray[np.int64]
    distances: Array
    tenth: float | None


def outlier_neighbors(
    outliers: Array,
    features: Array,
    density: GaussianDensity,
    head: LinearHead,
    harmful: Sequence[int] = (),
    k: int = 5,
    n_directions: int = DIRECTIONS,
) -> OutlierNeighbors:
    """The k texts nearest to each virtual outlier, in whitened directions that do not change the margin.

    Args:
        outliers: (m, d).
        features: (n, d) features of real texts.
        density: fitted density; its within-class covariance gives the directions.
        head: the classifier's last layer.
        harmful: indices of the harmful classes.
        k: number of neighbours; fewer if there are fewer texts.
        n_directions: see `DIRECTIONS`.

    Raises:
        ShapeError: the features of outliers and texts have different widths.
    """
    if outliers.ndim != 2 or features.ndim != 2 or outliers.shape[1] != features.shape[1]:
        raise ShapeError(f"expected outliers (m, d) and features (n, d), got {outliers.shape} and {features.shape}")
    m, k = len(outliers), min(k, len(features))
    if len(features) < 2:
        rows = np.zeros((m, k), dtype=np.int64)
        return OutlierNeighbors(rows, np.full((m, k), np.nan), None)
    real, drawn = (torch.from_numpy(np.asarray(each, dtype=np.float64)) for each in (features, outliers))
    n_free = features.shape[1] - (head.weight.shape[0] - 1)
    space = TargetSpace.fit(real, density, head, tuple(harmful), min(n_directions, n_free))
    apart = space.distances(space.coordinates(drawn), space.coordinates(real)) * space.unit
    nearest = apart.topk(k, largest=False)
    return OutlierNeighbors(nearest.indices.numpy(), nearest.values.numpy(), space.unit)


@dataclass(frozen=True)
class WordLens:
    """Predicts the words of a point in feature space, by ridge regression of their presence in real texts.

    It extrapolates away from texts; see `lens_checks` for when it may be shown.

    Attributes:
        words: V words.
        mean: (d,) mean of the real texts.
        scale: (d,) standard deviations, infinite for constant coordinates.
        base: (V,) share of the real texts that contain each word.
        weights: (d, V) coefficients.
    """

    words: tuple[str, ...]
    mean: Array
    scale: Array
    base: Array
    weights: Array

    @classmethod
    def fit(
        cls, features: Array, texts: Sequence[str], alpha: float = 200.0, min_df: int = 10, most: float = 0.1
    ) -> WordLens:
        """Fit to the features (n, d) of real texts and the words that occur in at least `min_df` of them.

        Args:
            features: (n, d), n >= 1.
            texts: n texts.
            alpha: ridge penalty on standardised features.
            min_df: smallest number of texts with a word.
            most: largest share of texts with a word; more frequent words occur near any point.
        """
        matrix = term_matrix(texts, min_df=min_df, longest=1)
        rare = np.asarray(matrix.presence.mean(0)).ravel() <= most
        kept = [j for j, word in enumerate(matrix.terms) if rare[j] and not is_sign(word)]
        presence = np.asarray(matrix.presence[:, kept].todense())
        mean, deviation = features.mean(0), features.std(0)
        # Constant coordinates are left out: a virtual outlier differs there by many standard deviations.
        alive = deviation > DEAD * np.median(deviation[deviation > 0]) if deviation.any() else deviation > 0
        scale = np.where(alive, deviation, np.inf)
        z, base = (features - mean) / scale, presence.mean(0)
        gram = z.T @ z + alpha * np.eye(z.shape[1])
        return cls(
            tuple(matrix.terms[j] for j in kept), mean, scale, base, np.linalg.solve(gram, z.T @ (presence - base))
        )

    def presence(self, points: Array) -> Array:
        """Predicted presence (m, V) of each word at points (m, d); 0 is absent, 1 is present."""
        predicted: Array = self.base + (points - self.mean) / self.scale @ self.weights
        return predicted

    def top_words(self, points: Array, n: int = 10) -> list[list[str]]:
        """For each point, the words whose predicted presence exceeds their base rate most."""
        above = self.presence(points) - self.base
        return [[self.words[j] for j in np.argsort(-row, kind="stable")[:n]] for row in above]


@dataclass(frozen=True)
class LensChecks:
    """Whether the words of a lens may be shown for a set of points.

    Attributes:
        largest: (m,) largest predicted presence of a word at each point; above 1 the lens extrapolates.
        own: share of the words of a point that occur in its nearest texts, averaged over the points.
        other: the same for the nearest texts of the other points; None with fewer than two points.
        shown: (m,) points whose words may be shown: `largest` at most 1, and `own / other` at least 2 on the set.
    """

    largest: Array
    own: float
    other: float | None
    shown: NDArray[np.bool_]

    @property
    def ratio(self) -> float | None:
        """`own / other`; None if there is no other."""
        return None if not self.other else self.own / self.other


def lens_checks(
    lens: WordLens, points: Array, neighbours: NDArray[np.int64], matrix: TermMatrix, at_least: float = 2.0
) -> LensChecks:
    """Run the two checks of a lens.

    Args:
        lens: lens fitted on real texts.
        points: (m, d) points.
        neighbours: (m, k) rows of each point's nearest real texts.
        matrix: words of the real texts, including those of the lens.
        at_least: required value of `own / other`.
    """
    m = len(points)
    if m == 0 or not lens.words:
        return LensChecks(np.zeros(m), 0.0, None, np.zeros(m, dtype=bool))
    column = {word: j for j, word in enumerate(matrix.terms)}
    near = np.zeros((m, len(matrix.terms)), dtype=bool)
    for i, rows in enumerate(neighbours):
        near[i] = np.asarray(matrix.presence[rows].sum(0)).ravel() > 0
    words = [[column[word] for word in own] for own in lens.top_words(points)]
    found = np.array([near[:, own].mean(1) for own in words])  # (m, m): words of a row in the texts of a column
    own = float(np.diag(found).mean())
    other = float((found.sum() - np.trace(found)) / (m * (m - 1))) if m > 1 else None
    largest = lens.presence(points).max(1)
    passed = other is not None and own > 0 and own >= at_least * other
    return LensChecks(largest, own, other, (largest <= 1.0) & passed)
