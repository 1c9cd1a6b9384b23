"""Word differences between two sets of texts; they describe the texts, not the model.

A random half of the texts of both sets proposes terms: those whose log-odds with an informative prior exceed the
maximum over all terms under permuted sets of that half. The other half, which had no part in the choice, confirms those
whose 95 % interval lies on the same side of zero; a term without a difference is confirmed in 2.5 % of cases at most.
With training texts, near and far from the boundary would separate training from test texts: use only held-out texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.terms import Array, TermMatrix, informative_prior, log_odds

Mask = NDArray[np.bool_]

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""

COVERED = 0.8
"""A term is dropped if this share of its texts contains a stronger term that shares a word with it."""

EXAMPLES = 3
"""Number of texts shown with a term."""


@dataclass(frozen=True)
class DifferenceSettings:
    """How terms are ranked and selected.

    Attributes:
        prior: strength of the informative prior, in occurrences (α₀).
        permutations: number of permutations for the threshold.
        level: quantile of the largest |z| per permutation that a term must exceed to be proposed; 0.95 gives a false
            proposal in one of 20 pairs of sets.
        at_least: number of confirmed terms for a difference to count as reliable.
        fewest: smallest number of texts of each set, both halves together.
    """

    prior: float = 500.0
    permutations: int = 200
    level: float = 0.95
    at_least: int = 3
    fewest: int = 20

    def __post_init__(self) -> None:
        if self.prior <= 0 or not 0 < self.level < 1 or self.at_least < 1 or self.fewest < 2 or self.allowed < 1:
            raise ConfigError(
                "differences: expected prior > 0, level in (0, 1), at least 1 / (1 - level) permutations, at_least >= "
                f"1 and fewest >= 2, got {self}"
            )

    @property
    def allowed(self) -> int:
        """Number of permutations, the observed sets included, that may reach the threshold."""
        return int((1.0 - self.level) * (self.permutations + 1) + 1e-9)


@dataclass(frozen=True)
class Term:
    """A term that is more frequent in one set.

    Attributes:
        term: a word, or words separated by a space.
        z: log-odds in standard errors in the proposing half, positive if it is more frequent in the first set.
        a_count: number of texts of the first set that contain it, in both halves.
        b_count: number of texts of the second.
        low: lower end of the 95 % interval of the log-odds in the confirming half.
        high: upper end of the interval.
        confirmed: whether that interval has the sign of z.
        texts: rows of up to three texts that contain it, from the set in which it is more frequent.
    """

    term: str
    z: float
    a_count: int
    b_count: int
    low: float
    high: float
    confirmed: bool
    texts: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """The difference between two sets of texts.

    Attributes:
        n_a: number of texts of the first set.
        n_b: number of texts of the second.
        threshold: |z| that a term must exceed in the proposing half; None if there was nothing to compare.
        p: permutation p-value of the largest |z| in that half; None likewise.
        terms: proposed terms, the largest |z| first.
        reliable: whether enough of them are confirmed.
        sentence: how many are confirmed, or why the difference is not reliable.
    """

    n_a: int
    n_b: int
    threshold: float | None
    p: float | None
    terms: tuple[Term, ...]
    reliable: bool
    sentence: str


def difference(
    matrix: TermMatrix,
    in_a: Mask,
    in_b: Mask,
    generator: np.random.Generator,
    settings: DifferenceSettings | None = None,
) -> Difference:
    """Terms with different frequencies in two sets of the texts.

    Args:
        matrix: terms of all n texts, which give the prior; see `term_matrix`.
        in_a: (n,) mask of the first set.
        in_b: (n,) mask of the second, disjoint from the first.
        generator: random generator of the permutations and the halves.
        settings: see `DifferenceSettings`.

    Raises:
        ShapeError: the masks do not fit the texts, or overlap.
    """
    settings = settings or DifferenceSettings()
    _check(matrix, in_a, in_b)
    n_a, n_b = int(in_a.sum()), int(in_b.sum())
    if min(n_a, n_b) < settings.fewest:
        few = f"too few texts: {n_a} against {n_b}, at least {settings.fewest} each are needed"
        return Difference(n_a, n_b, None, None, (), False, few)
    counts = matrix.counts(np.ones(matrix.n_texts, dtype=bool))
    if len(counts) < 2:
        return Difference(n_a, n_b, None, None, (), False, "too few words that several texts share")
    prior = informative_prior(counts, settings.prior)
    first = _half((in_a, in_b), generator)
    a, b = in_a & first, in_b & first
    z = _z(matrix.counts(a), matrix.counts(b), prior)
    largest = _shuffled(matrix, a, b, prior, generator, settings.permutations)
    threshold = float(np.sort(largest)[-settings.allowed])
    p = float((1 + (largest >= np.abs(z).max()).sum()) / (1 + len(largest)))
    order = sorted(np.flatnonzero(np.abs(z) > threshold), key=lambda j: (-abs(z[j]), matrix.terms[j]))
    proposed = _uncovered(matrix, [int(j) for j in order], z, a | b)
    terms = _described(matrix, proposed, z, (in_a, in_b), prior, ~first)
    confirmed = sum(term.confirmed for term in terms)
    reliable = confirmed >= settings.at_least
    found = f"{confirmed} of {len(terms)} terms that one half of the texts proposed are confirmed by the other"
    sentence = found if reliable else f"no reliable difference: {found}, at least {settings.at_least} are needed"
    return Difference(n_a, n_b, threshold, p, terms, reliable, sentence)


def _check(matrix: TermMatrix, in_a: Mask, in_b: Mask) -> None:
    for name, mask in (("in_a", in_a), ("in_b", in_b)):
        if mask.shape != (matrix.n_texts,) or mask.dtype != np.bool_:
            raise ShapeError(f"{name}: expected a mask ({matrix.n_texts},) bool, got {mask.shape} {mask.dtype}")
    if shared := int((in_a & in_b).sum()):
        raise ShapeError(f"expected two sets without a text in common, got {shared} texts that are in both")


def _z(a: Array, b: Array, prior: Array) -> Array:
    delta, error = log_odds(a, b, prior)
    return delta / error


def _shuffled(
    matrix: TermMatrix, in_a: Mask, in_b: Mask, prior: Array, generator: np.random.Generator, times: int
) -> Array:
    """The largest |z| over all terms (times,) under permutations of the texts of both sets."""
    rows = np.flatnonzero(in_a | in_b)
    presence, total = matrix.presence[rows], matrix.counts(in_a | in_b)
    dealt = np.zeros((len(rows), times))
    for k in range(times):
        dealt[generator.permutation(len(rows))[: int(in_a.sum())], k] = 1.0
    counts = np.asarray(presence.T @ dealt).T
    largest: Array = np.abs(_z(counts, total - counts, prior)).max(-1)
    return largest


def _uncovered(matrix: TermMatrix, order: Sequence[int], z: Array, rows: Mask) -> list[int]:
    """The terms, strongest first, without those covered by a stronger one of the same sign, see `COVERED`."""
    kept: list[int] = []
    presence = matrix.presence[np.flatnonzero(rows)]
    for j in order:
        own, words = presence[:, [j]], set(matrix.terms[j].split(" "))
        rivals = [i for i in kept if z[i] * z[j] > 0 and words & set(matrix.terms[i].split(" "))]
        shared = [float((own.T @ presence[:, [i]]).sum()) for i in rivals]
        if max(shared, default=0.0) < COVERED * float(own.sum()):
            kept.append(j)
    return kept


def _described(
    matrix: TermMatrix,
    proposed: Sequence[int],
    z: Array,
    sets: tuple[Mask, Mask],
    prior: Array,
    confirming: Mask,
) -> tuple[Term, ...]:
    """The terms with their counts in all texts, and their interval in those of the mask `confirming` (n,)."""
    counts = [matrix.counts(own) for own in sets]
    delta, error = log_odds(matrix.counts(sets[0] & confirming), matrix.counts(sets[1] & confirming), prior)
    shown: set[int] = set()
    terms = []
    for j in proposed:
        low, high = float(delta[j] - Z * error[j]), float(delta[j] + Z * error[j])
        confirmed = low > 0 if z[j] > 0 else high < 0
        holders = matrix.holders(j, sets[0] if z[j] > 0 else sets[1]).tolist()
        texts = sorted(holders, key=lambda i: (i in shown, i))[:EXAMPLES]
        shown |= set(texts)
        terms.append(
            Term(
                matrix.terms[j],
                float(z[j]),
                int(counts[0][j]),
                int(counts[1][j]),
                low,
                high,
                bool(confirmed),
                tuple(texts),
            )
        )
    return tuple(terms)


def _half(sets: tuple[Mask, Mask], generator: np.random.Generator) -> Mask:
    """A random half of the texts of each set; the same whichever of the sets is the first."""
    half, place = np.zeros(len(sets[0]), dtype=bool), generator.permutation(len(sets[0]))
    for own in sets:
        rows = np.flatnonzero(own)
        half[rows[np.argsort(place[rows])][: len(rows) // 2]] = True
    return half
