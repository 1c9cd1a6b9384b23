"""Words that move the margin by themselves: shortcuts that a classifier has learned.

A word is inserted into texts near the boundary, out of context, and the mean change of the margin is compared with that
of the most similar words. Rank and flag depend only on the model: a word that is correlated with a label in the texts
but not used by the model is not flagged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.corpus_words import CorpusWords, spans_of
from vos.interpret.windows import Window, insertion_places, is_read
from vos.interpret.words import inserted, split_words, without

FLAG = 5.0
"""Surprise above which a word is flagged, in robust standard deviations."""

NEIGHBOURS = 10
"""Number of most similar words whose median effect is the expected effect of a word."""

Margins = Callable[[Sequence[str]], NDArray[np.float64]]
"""Margins (n,) of n texts, such as a `MarginReader`."""


@dataclass(frozen=True)
class Hosts:
    """Texts near the boundary into which words are inserted, each at one position.

    Attributes:
        texts: h texts.
        places: index of the word before which a word is inserted; see `inserted`.
        rows: their indices in the original texts.
    """

    texts: tuple[str, ...]
    places: tuple[int, ...]
    rows: tuple[int, ...]

    def with_word(self, word: str) -> list[str]:
        """Every host with the word inserted."""
        return [inserted(text, place, word) for text, place in zip(self.texts, self.places, strict=True)]


def choose_hosts(
    texts: Sequence[str],
    margins: NDArray[np.float64],
    rng: np.random.Generator,
    n: int = 8,
    words: tuple[int, int] = (4, 40),
    read: Sequence[Window] | None = None,
) -> Hosts:
    """The texts nearest to the boundary, equally many of each side if possible, with a random position in each.

    Args:
        texts: texts to choose from.
        margins: their margins.
        rng: random generator of the positions.
        n: number of hosts; half of them from each side if even.
        words: smallest and largest number of words of a host; if no text qualifies, any text is used.
        read: the part of each text that is read, see `windows`, in which the position lies; None: the whole text.

    Raises:
        ConfigError: no text.
    """
    if not texts:
        raise ConfigError("texts: expected at least one to put words into, got none")
    lengths = np.array([len(split_words(text)) for text in texts])
    fits = (lengths >= words[0]) & (lengths <= words[1])
    rows = np.flatnonzero(fits) if fits.any() else np.arange(len(texts))
    order = rows[np.argsort(np.abs(margins[rows]), kind="stable")]
    harmful = order[~np.signbit(margins[order])]
    harmless = order[np.signbit(margins[order])]
    half = n // 2
    n_harmful = min(len(harmful), max(n - half, n - len(harmless)))
    chosen = [*harmful[:n_harmful], *harmless[: n - n_harmful]]
    possible = [insertion_places(texts[row], (0, len(texts[row])) if read is None else read[row]) for row in chosen]
    places = [of_text[int(rng.integers(len(of_text)))] for of_text in possible]
    return Hosts(tuple(texts[row] for row in chosen), tuple(places), tuple(int(row) for row in chosen))


def insertion_effects(margins: Margins, hosts: Hosts, words: Sequence[str]) -> NDArray[np.float64]:
    """Change of the margin when a word is inserted into the hosts: (m, h), logit units, positive towards harm.

    Hosts that already contain the word are NaN, unless all contain it.
    """
    before = margins(hosts.texts)
    after = margins([text for word in words for text in hosts.with_word(word)])
    moves = after.reshape(len(words), len(hosts.texts)) - before
    has = np.array([[bool(spans_of(text, word)) for text in hosts.texts] for word in words]).reshape(moves.shape)
    has[has.all(1)] = False
    return np.where(has, np.nan, moves)


@dataclass(frozen=True)
class Insertions:
    """Effects of inserted words.

    Attributes:
        effect: (m,) mean change of the margin over the hosts, logit units.
        expected: (m,) median effect of the words most similar to each.
        deviation: robust standard deviation of effect minus expected, 1.48 times the median absolute deviation.
    """

    effect: NDArray[np.float64]
    expected: NDArray[np.float64]
    deviation: float

    @property
    def surprise(self) -> NDArray[np.float64]:
        """Effect minus the expected effect, in robust standard deviations: (m,)."""
        return (self.effect - self.expected) / max(self.deviation, 1e-12)


def insertion_surprise(effect: NDArray[np.float64], words: Sequence[str], vectors: NDArray[np.float64]) -> Insertions:
    """Compare each word's effect with the median of its ten most similar entries that share no word with it.

    Args:
        effect: (m,) effects of the m words, see `insertion_effects`.
        words: words and phrases.
        vectors: (m, e), embeddings of an encoder that was not fine-tuned on the task, if available: in a fine-tuned
            one, words with the same effect may be similar.

    Raises:
        ShapeError: the numbers of words differ.
    """
    m = len(words)
    if effect.shape != (m,) or vectors.shape[:1] != (m,):
        raise ShapeError(f"expected effect ({m},) and vectors ({m}, e), got {effect.shape} and {vectors.shape}")
    if not m:
        return Insertions(effect, effect.copy(), 0.0)
    centred = vectors - vectors.mean(0)
    units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    alike = units @ units.T
    parts = [frozenset(word.split(" ")) for word in words]
    expected = np.empty(m)
    for row in range(m):
        order = np.argsort(-alike[row], kind="stable")
        others = [i for i in order[: m if m < 200 else 200] if not parts[i] & parts[row]][:NEIGHBOURS]
        expected[row] = np.median(effect[others]) if others else np.median(effect)
    rest = effect - expected
    return Insertions(effect, expected, robust_deviation(rest))


def robust_deviation(values: NDArray[np.float64]) -> float:
    """1.4826 times the median absolute deviation, the standard deviation for normal values; 0 without values."""
    if not len(values):
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def deletion_effects(
    margins: Margins,
    texts: Sequence[str],
    words: CorpusWords,
    rng: np.random.Generator,
    n_texts: int = 6,
    read: Sequence[Window] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean effect of a word where it occurs in texts, and its standard error: (m,) each.

    The margin of a text minus its margin without the word; all occurrences are deleted, since one may be enough.

    Args:
        margins: returns the margins of texts.
        texts: the texts in which `words` were counted.
        words: m words.
        rng: chooses the texts of a word that occurs in more than `n_texts`.
        n_texts: largest number of texts per word.
        read: the part of each text that is read, see `windows`; texts in which the word is not read are used only for a
            word that is read in none. None: whole texts.
    """
    chosen = [
        _reading(texts, word, rng.permutation(words.texts_with(i)), n_texts, read) for i, word in enumerate(words.words)
    ]
    rows = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *chosen]))
    whole = dict(zip(rows.tolist(), margins([texts[row] for row in rows]), strict=True))
    cut = margins(
        [
            without(texts[row], spans_of(texts[row], word))
            for word, held in zip(words.words, chosen, strict=True)
            for row in held
        ]
    )
    moves = np.array([whole[row] for held in chosen for row in held.tolist()]) - cut
    parts = np.split(moves, np.cumsum([len(held) for held in chosen])[:-1]) if len(words) else []
    means = np.array([part.mean() for part in parts])
    errors = np.array([part.std(ddof=1) / np.sqrt(len(part)) if len(part) > 1 else np.inf for part in parts])
    return means, errors


def _reading(
    texts: Sequence[str], word: str, rows: NDArray[np.int64], n: int, read: Sequence[Window] | None
) -> NDArray[np.int64]:
    """The first `n` of the rows in which the word is read; of all rows if it is read in none."""
    if read is None:
        return rows[:n]
    found: list[int] = []
    for row in rows.tolist():
        if len(found) < n and any(is_read(span, read[row]) for span in spans_of(texts[row], word)):
            found.append(row)
    return np.array(found, dtype=np.int64) if found else rows[:n]


def rank_words(
    strength: NDArray[np.float64], effect: NDArray[np.float64], words: Sequence[str], beyond: float
) -> list[int]:
    """Indices of the words, strongest first, without phrases that are explained by one of their words.

    A strong word raises every phrase that contains it. A phrase is kept if its effect is larger than that of each of
    its words; words that are not listed are ignored.

    Args:
        strength: (m,) ranking criterion, such as |surprise|.
        effect: (m,) for comparing a phrase with its words.
        words: words and phrases.
        beyond: required additional effect of a phrase, such as one robust standard deviation.

    Example:
        >>> rank_words(np.array([3.0, 9.0, 8.0]), np.array([0.1, 2.1, 2.0]), ["a", "a zebra", "zebra"], 0.3)
        [2, 0]
    """
    alone = {word: effect[i] for i, word in enumerate(words) if " " not in word}

    def explained(place: int) -> bool:
        parts = [alone[part] for part in words[place].split(" ") if part in alone] if " " in words[place] else []
        return any(part * effect[place] > 0 and abs(effect[place]) - abs(part) < beyond for part in parts)

    return [int(i) for i in np.argsort(-strength, kind="stable") if not explained(int(i))]
