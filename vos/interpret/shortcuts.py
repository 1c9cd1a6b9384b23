"""Words that move the margin by themselves: shortcuts that a classifier has learnt, whatever its accuracy.

A word is put into texts near the boundary, where it is no part of a sentence, and the mean move of the margin is held
against that of the words most like it. Rank and flag come from the model alone: a word that goes with a label in the
texts, and that the model does not use, stays quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.corpus_words import CorpusWords, spans_of
from vos.interpret.words import inserted, split_words, without

FLAG = 5.0
"""Robust deviations of surprise above which a word is flagged."""

NEIGHBOURS = 10
"""Words most like a word whose median move is what is expected of it."""

Margins = Callable[[Sequence[str]], NDArray[np.float64]]
"""Margins (n,) of n texts, such as a `MarginReader`."""


@dataclass(frozen=True)
class Hosts:
    """Texts near the boundary that words are put into, each at one place.

    Attributes:
        texts: h of them.
        places: number of the word before which another is put; see `inserted`.
        rows: which of the texts they were chosen from.
    """

    texts: tuple[str, ...]
    places: tuple[int, ...]
    rows: tuple[int, ...]

    def with_word(self, word: str) -> list[str]:
        """Every host with the word in its place."""
        return [inserted(text, place, word) for text, place in zip(self.texts, self.places, strict=True)]


def choose_hosts(
    texts: Sequence[str],
    margins: NDArray[np.float64],
    rng: np.random.Generator,
    n: int = 8,
    words: tuple[int, int] = (4, 40),
) -> Hosts:
    """The texts nearest to the boundary, as many of each side as there are, with a random place in each.

    Args:
        texts: to choose from.
        margins: of each.
        rng: draws the places.
        n: hosts; an even number gives half to each side.
        words: fewest and most words of a host; where no text is of such a length, any text is.

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
    places = [int(rng.integers(lengths[row] + 1)) for row in chosen]
    return Hosts(tuple(texts[row] for row in chosen), tuple(places), tuple(int(row) for row in chosen))


def insertion_effects(margins: Margins, hosts: Hosts, words: Sequence[str]) -> NDArray[np.float64]:
    """Move of the margin when a word is put into the hosts: (m, h), logit units, positive towards harm.

    A host that has the word already says little of it and gives NaN, unless all have it.
    """
    before = margins(hosts.texts)
    after = margins([text for word in words for text in hosts.with_word(word)])
    moves = after.reshape(len(words), len(hosts.texts)) - before
    has = np.array([[bool(spans_of(text, word)) for text in hosts.texts] for word in words]).reshape(moves.shape)
    has[has.all(1)] = False
    return np.where(has, np.nan, moves)


@dataclass(frozen=True)
class Insertions:
    """What words do where they are put.

    Attributes:
        effect: (m,) mean move of the margin over the hosts, logit units.
        expected: (m,) median effect of the words most like each.
        deviation: the robust standard deviation of effect less expected, 1.48 times the median absolute one.
    """

    effect: NDArray[np.float64]
    expected: NDArray[np.float64]
    deviation: float

    @property
    def surprise(self) -> NDArray[np.float64]:
        """Effect less what is expected of such a word, in robust deviations: (m,)."""
        return (self.effect - self.expected) / max(self.deviation, 1e-12)


def insertion_surprise(effect: NDArray[np.float64], words: Sequence[str], vectors: NDArray[np.float64]) -> Insertions:
    """Hold each word's effect against the median of the ten words most like it that share no word with it.

    Args:
        effect: (m,) of the m words, see `insertion_effects`.
        words: words and phrases.
        vectors: (m, e), embeddings of an encoder that was not tuned on the task, where there is one: a tuned one may
            hold those words alike that it treats alike.

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
    """1.4826 times the median absolute deviation: the standard deviation where values are normal; 0 for none."""
    if not len(values):
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def deletion_effects(
    margins: Margins, texts: Sequence[str], words: CorpusWords, rng: np.random.Generator, n_texts: int = 6
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean move of the margin that a word is good for where it stands, and its standard error: (m,) each.

    The margin of a text less its margin without the word; every copy goes at once, since one of two may do.

    Args:
        margins: of any texts.
        texts: that `words` were counted in.
        words: m of them.
        rng: draws the texts of a word that has more of them.
        n_texts: texts of a word.
    """
    chosen = [rng.permutation(words.texts_with(i))[:n_texts] for i in range(len(words))]
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


def rank_words(
    strength: NDArray[np.float64], effect: NDArray[np.float64], words: Sequence[str], beyond: float
) -> list[int]:
    """Places of the words from the strongest; phrases that one of their words explains are left out.

    A planted word drags every phrase that holds it up with it. A phrase stays where it moves the margin farther than
    each of its words does alone; those that are not among the words do not count.

    Args:
        strength: (m,) what is ranked by, as |surprise|.
        effect: (m,) what decides between a phrase and its words.
        words: words and phrases.
        beyond: how much farther a phrase must move it, as one robust deviation of all.

    Example:
        >>> rank_words(np.array([3.0, 9.0, 8.0]), np.array([0.1, 2.1, 2.0]), ["a", "a zebra", "zebra"], 0.3)
        [2, 0]
    """
    alone = {word: effect[i] for i, word in enumerate(words) if " " not in word}

    def explained(place: int) -> bool:
        parts = [alone[part] for part in words[place].split(" ") if part in alone] if " " in words[place] else []
        return any(part * effect[place] > 0 and abs(effect[place]) - abs(part) < beyond for part in parts)

    return [int(i) for i in np.argsort(-strength, kind="stable") if not explained(int(i))]
