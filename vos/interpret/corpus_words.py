"""Words and two-word phrases of a corpus, the texts that contain them, and their association with the margin."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vos.errors import ShapeError
from vos.interpret.words import Word, is_sign, split_words

Kind = Literal["word", "phrase", "punctuation"]


@dataclass(frozen=True)
class CorpusWords:
    """Words, phrases and punctuation marks of n texts.

    Attributes:
        words: m entries; the words of a phrase are separated by one space.
        kinds: kind of each.
        holds: (n, m) sparse bool, which texts contain which entry.
    """

    words: tuple[str, ...]
    kinds: tuple[Kind, ...]
    holds: sparse.csc_array

    def __len__(self) -> int:
        return len(self.words)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of texts that contain each: (m,) int64."""
        return np.diff(self.holds.indptr).astype(np.int64)

    def texts_with(self, place: int) -> NDArray[np.int64]:
        """Rows of the texts that contain a word."""
        rows: NDArray[np.int64] = self.holds.indices[self.holds.indptr[place] : self.holds.indptr[place + 1]]
        return rows.astype(np.int64)

    def at(self, places: Sequence[int] | NDArray[np.int64]) -> CorpusWords:
        """Some of the words, in the given order."""
        chosen = np.asarray(places, dtype=np.int64)
        return CorpusWords(
            tuple(self.words[i] for i in chosen), tuple(self.kinds[i] for i in chosen), self.holds[:, chosen]
        )


def corpus_words(texts: Sequence[str], min_word: int = 6, min_phrase: int = 9) -> CorpusWords:
    """Words that occur in enough texts, in alphabetical order; a text counts once per word.

    A phrase is two words separated only by space; punctuation marks count as words, but are not part of phrases.

    Args:
        texts: n texts.
        min_word: smallest number of texts for a word or punctuation mark.
        min_phrase: smallest number of texts for a phrase.

    Example:
        >>> found = corpus_words(["not now!!", "Not now, no"], min_word=2, min_phrase=2)
        >>> found.words, found.kinds
        (('not', 'not now', 'now'), ('word', 'phrase', 'word'))
    """
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in _words_and_phrases(text):
            rows.setdefault(word, []).append(row)
    kept = sorted(word for word, held in rows.items() if len(held) >= (min_phrase if " " in word else min_word))
    lengths = [len(rows[word]) for word in kept]
    indices = np.array([row for word in kept for row in rows[word]], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    holds = sparse.csc_array((np.ones(len(indices), dtype=np.bool_), indices, starts), shape=(len(texts), len(kept)))
    return CorpusWords(tuple(kept), tuple(kind_of(word) for word in kept), holds)


def kind_of(word: str) -> Kind:
    """Kind of a word of `corpus_words`."""
    if " " in word:
        return "phrase"
    return "punctuation" if is_sign(word) else "word"


def _words_and_phrases(text: str) -> set[str]:
    words = split_words(text)
    found = {word.text for word in words}
    pairs = itertools.pairwise(words)
    return found | {f"{a.text} {b.text}" for a, b in pairs if _phrase(text, a, b)}


def _phrase(text: str, a: Word, b: Word) -> bool:
    return not text[a.end : b.start].strip() and a.end < b.start and not is_sign(a.text) and not is_sign(b.text)


def spans_of(text: str, word: str) -> list[tuple[int, int]]:
    """Positions of a word or phrase in a text: (start, end) of every occurrence.

    Example:
        >>> spans_of("Now or not now", "now"), spans_of("for now, and for  now", "for now")
        ([(0, 3), (11, 14)], [(0, 7), (13, 21)])
    """
    wanted, words = word.split(" "), split_words(text)
    if len(wanted) == 1:
        return [(each.start, each.end) for each in words if each.text == word]
    pairs = itertools.pairwise(words)
    return [(a.start, b.end) for a, b in pairs if [a.text, b.text] == wanted and _phrase(text, a, b)]


def choose_words(words: CorpusWords, strength: NDArray[np.float64], n_words: int, n_phrases: int) -> NDArray[np.int64]:
    """Indices of the words to try, ascending: half of them with the greatest strength, the others the most frequent.

    Args:
        words: m words.
        strength: (m,) association of each with the margin.
        n_words: number of words and punctuation marks.
        n_phrases: number of phrases.
    """
    phrase = np.array([kind == "phrase" for kind in words.kinds], dtype=np.bool_)
    chosen: list[int] = []
    for members, n in ((~phrase, n_words), (phrase, n_phrases)):
        strong = [int(i) for i in np.argsort(-strength, kind="stable") if members[i]][: n // 2]
        frequent = [int(i) for i in np.argsort(-words.counts, kind="stable") if members[i]]
        chosen += list(dict.fromkeys(strong + frequent))[:n]
    return np.array(sorted(chosen), dtype=np.int64)


def within_label_t(words: CorpusWords, margins: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Welch's t of the margins of texts with a word against those without, each minus its group's mean: (m,).

    Within one label, a word that is only correlated with the label has no effect; a word that the model uses does.

    Args:
        words: m words of n texts.
        margins: (n,).
        groups: (n,) the label of each text; texts with -1 have no label and are left out.

    Returns:
        The t statistics, NaN if fewer than two texts have the word, or lack it.

    Raises:
        ShapeError: the numbers of texts differ.
    """
    n = words.holds.shape[0]
    if margins.shape != (n,) or groups.shape != (n,):
        raise ShapeError(f"expected margins and groups ({n},), got {margins.shape} and {groups.shape}")
    known = np.flatnonzero(groups >= 0)
    rest = margins[known].astype(np.float64)
    for group in np.unique(groups[known]):
        inside = groups[known] == group
        rest[inside] -= rest[inside].mean()
    holds = words.holds.tocsr()[known].astype(np.float64)
    with_word, n_with = _sums(rest @ holds), np.asarray(holds.sum(0)).ravel()
    squares = _sums((rest**2) @ holds)
    n_without = len(known) - n_with
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, other = with_word / n_with, (rest.sum() - with_word) / n_without
        spread = (squares - n_with * mean**2) / (n_with - 1) / n_with
        spread += ((rest**2).sum() - squares - n_without * other**2) / (n_without - 1) / n_without
        t = (mean - other) / np.sqrt(np.maximum(spread, 0))
    return np.where((n_with >= 2) & (n_without >= 2) & np.isfinite(t), t, np.nan)


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values).ravel()


def predictive_words(words: CorpusWords, margins: NDArray[np.float64], penalty: float = 30.0) -> NDArray[np.float64]:
    """Coefficients of a ridge regression of the margins (n,) on the presence of words: (m,), in logit units.

    Both sides are centred; words are not standardised, so that coefficients of rare words are shrunk more.
    """
    x = words.holds.toarray().astype(np.float64)
    x -= x.mean(0)
    gram = x.T @ x + penalty * np.eye(len(words))
    solution: NDArray[np.float64] = np.linalg.solve(gram, x.T @ (margins - margins.mean()))
    return solution
