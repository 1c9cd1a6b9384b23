"""Where labels exist and where they are missing: clusters of texts against bands of the margin."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from vos.errors import ConfigError, ShapeError
from vos.interpret.terms import Array, distinctive_terms, term_matrix
from vos.interpret.text_sets import UNKNOWN, Indices, Mask

BORROWED = 10.0
"""Pseudo-count with which the error rate of a cell is shrunk towards that of its band."""


@dataclass(frozen=True)
class Clusters:
    """A clustering of texts.

    Attributes:
        of: (n,) int64, the cluster of each text; 0 is the largest.
        words: for each cluster the words that distinguish it from the others, see `distinctive_terms`.
    """

    of: Indices
    words: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The words of each cluster in one line, or its number if it has no distinctive word."""
        return tuple(", ".join(words) or f"cluster {c}" for c, words in enumerate(self.words))


def cluster_texts(features: Array, texts: Sequence[str], seed: int, n_clusters: int | None = None) -> Clusters:
    """K-means on the normalised features, with clusters named by their words.

    The features of an encoder that was not fine-tuned group texts by topic; those of the classifier group them by its
    prediction, which the margin shows already.

    Args:
        features: (n, d); only their directions are used.
        texts: n texts.
        seed: seed of k-means.
        n_clusters: None: `sqrt(n / 12)`, at most 16; fewer if fewer texts are distinct.

    Raises:
        ShapeError: the numbers of feature rows and texts differ.
    """
    n = len(texts)
    if features.ndim != 2 or len(features) != n:
        raise ShapeError(f"expected features ({n}, d), one row a text, got {features.shape}")
    if n_clusters is not None and n_clusters < 1:
        raise ConfigError(f"n_clusters: expected 1 or more, got {n_clusters}")
    if n == 0:
        return Clusters(np.zeros(0, dtype=np.int64), ())
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    rows = features / np.where(norms > 0, norms, 1.0)
    k = n_clusters or max(1, min(16, round((n / 12) ** 0.5)))
    k = min(k, len(np.unique(rows.round(9), axis=0)))
    found = KMeans(k, n_init=4, random_state=seed % 2**32).fit_predict(rows)
    sizes = np.bincount(found, minlength=k)
    rank = np.empty(k, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(k)
    return named_clusters(rank[found], texts)


def named_clusters(of: Indices, texts: Sequence[str]) -> Clusters:
    """Clusters (n,) of n texts, counted from 0, with the words that name each."""
    matrix = term_matrix(texts, min_df=min(5, max(2, len(texts) // 50)), longest=1)
    k = int(of.max(initial=-1)) + 1
    return Clusters(of, tuple(tuple(distinctive_terms(matrix, of == c)) for c in range(k)))


def margin_bands(margins: Array, band: float) -> list[tuple[float | None, float | None]]:
    """Adjacent bands that cover all margins: (low, high), low included, None for an unbounded end.

    Each side of the boundary has a band up to `band`, one up to the median |margin| if that is larger, and an unbounded
    one.

    Args:
        margins: (n,).
        band: half-width of the band near the boundary, above 0.

    Example:
        >>> margin_bands(np.array([-3.0, -2.0, 0.1, 2.0]), 0.5)
        [(None, -2.0), (-2.0, -0.5), (-0.5, 0.0), (0.0, 0.5), (0.5, 2.0), (2.0, None)]
    """
    if not band > 0:
        raise ConfigError(f"band: expected a half-width above 0, got {band}")
    middle = float(np.median(np.abs(margins))) if len(margins) else 0.0
    edges = [0.0, band, *([middle] if middle > band else [])]
    low = -np.inf if not len(margins) else float(margins.min())
    inner = sorted({-edge for edge in edges[1:]} | set(edges)) if low < 0 or not len(margins) else edges
    ends: list[float | None] = [None, *inner, None]
    if low >= 0 and len(margins):  # no text has a negative margin, for example if no class is harmful
        ends = [0.0, *inner[1:], None]
    return list(itertools.pairwise(ends))


@dataclass(frozen=True)
class Cell:
    """Counts of the texts of one cluster in one band.

    Attributes:
        cluster: see `Clusters`.
        band: index into the bands.
        n: number of texts.
        labelled: texts with a label.
        asked: texts that were sent for labelling, answered or not.
        known: texts for which it is known whether the prediction is correct.
        errors: wrong predictions among the known texts.
        expected_errors: expected mistakes among the unlabelled texts, if the error rate equals that of the known ones;
            the rate of a cell with few known texts is shrunk towards that of its band.
    """

    cluster: int
    band: int
    n: int
    labelled: int
    asked: int
    known: int
    errors: int
    expected_errors: float


@dataclass(frozen=True)
class CoverageTable:
    """Table of clusters against bands.

    Attributes:
        bands: see `margin_bands`.
        cells: one for each cluster and band with a text, ordered by cluster, then band.
        totals: `n`, `labelled`, `asked`, `known` and `errors` of all texts; the cells add up to them.
    """

    bands: tuple[tuple[float | None, float | None], ...]
    cells: tuple[Cell, ...]
    totals: dict[str, int]


def coverage_table(
    clusters: Clusters, margins: Array, band: float, label: Indices, prediction: Indices, asked: Mask
) -> CoverageTable:
    """Count texts, labels and mistakes by cluster and by band of the margin.

    Args:
        clusters: of n texts.
        margins: (n,).
        band: half-width of the band near the boundary, see `margin_bands`.
        label: (n,) int64, `UNKNOWN` for unlabelled texts.
        prediction: (n,) int64.
        asked: (n,) texts that were sent for labelling.

    Raises:
        ShapeError: arrays of different lengths.
    """
    shapes = {len(each) for each in (clusters.of, margins, label, prediction, asked)}
    if len(shapes) != 1:
        raise ShapeError(f"expected one value a text in each array, got lengths {sorted(shapes)}")
    bands = margin_bands(margins, band)
    starts = np.array([-np.inf if low is None else low for low, _ in bands])
    in_band = np.searchsorted(starts, margins, side="right") - 1
    # The sign of a zero determines the side: -0.0 is predicted harmless.
    in_band -= (margins == 0.0) & np.signbit(margins) & (in_band > 0)
    known = label != UNKNOWN
    wrong = known & (label != prediction)
    rates = [_rate(wrong & (in_band == b), known & (in_band == b), 0.0, 0.0) for b in range(len(bands))]
    cells = []
    for c in range(len(clusters.words)):
        for b in range(len(bands)):
            here = (clusters.of == c) & (in_band == b)
            if not here.any():
                continue
            n, labelled = int(here.sum()), int((here & known).sum())
            rate = _rate(wrong & here, known & here, rates[b], BORROWED)
            counts = (int((here & asked).sum()), labelled, int((here & wrong).sum()))
            cells.append(Cell(c, b, n, labelled, *counts, expected_errors=rate * (n - labelled)))
    totals = {
        name: int(np.sum(values))
        for name, values in (
            ("n", np.ones(len(margins), dtype=bool)),
            ("labelled", known),
            ("asked", asked),
            ("known", known),
            ("errors", wrong),
        )
    }
    return CoverageTable(tuple(bands), tuple(cells), totals)


def _rate(wrong: Mask, known: Mask, towards: float, weight: float) -> float:
    total = float(known.sum()) + weight
    return (float(wrong.sum()) + weight * towards) / total if total > 0 else 0.0
