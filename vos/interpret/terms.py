"""Words and two-word phrases of texts, and their relative frequency in two sets of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vos.interpret.words import is_sign, split_words

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TermMatrix:
    """Terms of a set of texts.

    Attributes:
        terms: V words, and phrases with their words separated by a space, sorted.
        presence: (n, V) CSR float64, 1 if a text contains a term, however often.
    """

    terms: tuple[str, ...]
    presence: Any

    @property
    def n_texts(self) -> int:
        """Number of texts n, including those without any term."""
        return int(self.presence.shape[0])

    def counts(self, rows: NDArray[np.bool_]) -> Array:
        """Number of texts of a mask (n,) that contain each term: (V,)."""
        return np.asarray(self.presence.T @ rows.astype(np.float64))

    def holders(self, term: int, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The texts of a mask (n,) that contain the term, ascending."""
        return np.flatnonzero(np.asarray(self.presence[:, [term]].todense()).ravel().astype(bool) & rows)


def terms_of(text: str, longest: int = 2) -> set[str]:
    """Words of a text, including punctuation such as "!!", and phrases of up to `longest` consecutive words.

    A phrase does not extend over punctuation.

    Example:
        >>> sorted(terms_of("You are, you know!"))
        ['!', ',', 'are', 'know', 'you', 'you are', 'you know']
    """
    words = [word.text for word in split_words(text)]
    found = set(words)
    for size in range(2, longest + 1):
        phrases = (words[i : i + size] for i in range(len(words) - size + 1))
        found |= {" ".join(phrase) for phrase in phrases if not any(map(is_sign, phrase))}
    return found


def term_matrix(texts: Sequence[str], min_df: int = 5, longest: int = 2) -> TermMatrix:
    """The terms that occur in at least `min_df` of the texts.

    Stop words are kept, because texts near a boundary differ from others more often in style than in topic.

    Args:
        texts: n texts.
        min_df: smallest number of texts with a term.
        longest: largest number of words of a phrase.
    """
    sets = [terms_of(text, longest) for text in texts]
    counts = Counter(term for own in sets for term in own)
    terms = tuple(sorted(term for term, count in counts.items() if count >= min_df))
    column = {term: j for j, term in enumerate(terms)}
    places = [(i, column[term]) for i, own in enumerate(sets) for term in sorted(own) if term in column]
    rows, columns = np.array(places, dtype=np.int64).reshape(-1, 2).T
    presence = sparse.csr_matrix((np.ones(len(places)), (rows, columns)), shape=(len(sets), len(terms)))
    return TermMatrix(terms, presence)


def log_odds(a: Array, b: Array, prior: Array) -> tuple[Array, Array]:
    """How much more often each term occurs in `a`, with its standard error; both shaped as `a`.

    `δ_t = log[(a_t + α_t) / (n_a + α₀ - a_t - α_t)] - log[(b_t + α_t) / (n_b + α₀ - b_t - α_t)]`, with the variance
    `1 / (a_t + α_t) + 1 / (b_t + α_t)`; n is the sum of the counts of a set, α₀ that of the prior (Monroe, Colaresi and
    Quinn 2008, section 3.5.1). Longer texts in one set alone do not make a difference.

    Args:
        a: (..., V) counts of the first set.
        b: (..., V) counts of the second.
        prior: (V,) α, all above 0, V >= 2.

    Example:
        >>> delta, error = log_odds(np.array([3.0, 1.0]), np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        >>> delta.round(3), error.round(3)
        (array([ 1.386, -1.386]), array([0.866, 0.866]))
    """
    with_a, with_b = a + prior, b + prior
    others = (side.sum(-1, keepdims=True) - side for side in (with_a, with_b))
    delta = np.log(with_a / next(others)) - np.log(with_b / next(others))
    return delta, np.sqrt(1.0 / with_a + 1.0 / with_b)


def informative_prior(counts: Array, total: float) -> Array:
    """α (V,) with the sum `total` (α₀), proportional to the background frequencies of the terms.

    Args:
        counts: (V,) counts of the background, all above 0.
        total: strength of the prior, in occurrences.
    """
    prior: Array = total * counts / counts.sum()
    return prior


def distinctive_terms(matrix: TermMatrix, rows: NDArray[np.bool_], n: int = 4, prior: float = 500.0) -> list[str]:
    """The `n` terms that best distinguish the texts of a mask (n,) from the others, as a name for them.

    Phrases and punctuation are left out; a term must be more frequent in the set (z > 2).
    """
    if len(matrix.terms) < 2 or not rows.any() or rows.all():
        return []
    counts, others = matrix.counts(rows), matrix.counts(~rows)
    delta, error = log_odds(counts, others, informative_prior(counts + others, prior))
    z = delta / error
    order = sorted(range(len(z)), key=lambda j: (-z[j], matrix.terms[j]))
    named = [matrix.terms[j] for j in order if z[j] > 2.0 and " " not in matrix.terms[j]]
    return [word for word in named if not is_sign(word)][:n]
