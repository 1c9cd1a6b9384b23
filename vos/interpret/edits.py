"""Texts with some words in place of others, and where a text's margin would move by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos.interpret.gradients import TextGradients
from vos.interpret.margins import MarginReader
from vos.interpret.words import Word, is_sign, overlaps, replaced, split_words


class Edit(NamedTuple):
    """One word of a text and what stands in its place.

    Attributes:
        start: of the word's first character in the text as it was.
        end: after its last.
        word: in its place.
        similarity: cosine of both, see `Substitutes`.
    """

    start: int
    end: int
    word: str
    similarity: float


@dataclass(frozen=True)
class Flip:
    """Edits that take a text to the other side.

    Attributes:
        edits: one or more, each of another word.
        margin: after them, in float32, see `own_margin`.
    """

    edits: tuple[Edit, ...]
    margin: float


class Slopes(NamedTuple):
    """Words of a text that the classifier reads, signs left out.

    Attributes:
        places: (k,) int64 among the words of the text.
        gradients: (k, d) of the margin, the mean over the word's tokens.
    """

    places: NDArray[np.int64]
    gradients: NDArray[np.float64]


def slopes(words: Sequence[Word], found: TextGradients) -> Slopes:
    """Gradients of the tokens of a text, brought to its words."""
    shares = overlaps(words, found.spans) > 0
    places = np.array([i for i, word in enumerate(words) if shares[i].any() and not is_sign(word.text)], dtype=np.int64)
    weights = shares[places].astype(np.float64)
    return Slopes(places, weights @ found.gradients / np.maximum(weights.sum(1, keepdims=True), 1.0))


def edited(text: str, words: Sequence[Word], changes: Mapping[int, str]) -> str:
    """The text with other words at some places.

    Args:
        text: any text.
        words: of it.
        changes: place among the words to the word that goes there.

    Example:
        >>> edited("A big dog", split_words("A big dog"), {1: "tiny", 2: "cat"})
        'A tiny cat'
    """
    for place in sorted(changes, reverse=True):
        text = replaced(text, words[place].start, words[place].end, changes[place])
    return text


def edited_words(text: str, words: Sequence[Word], changes: Mapping[int, str]) -> list[Word]:
    """The words of `edited`, where they stand in it; each stays one word, whatever it is cut into."""
    moved, shift = [], 0
    for place, word in enumerate(words):
        new, start = changes.get(place, word.text), word.start + shift
        if place in changes:
            shift += len(replaced(text, word.start, word.end, new)) - len(text)
        moved.append(Word(new, start, word.end + shift))
    return moved


def random_flips(
    read: MarginReader, texts: Sequence[str], corpus: Sequence[str], rng: np.random.Generator, draws: int = 4
) -> NDArray[np.float64]:
    """Share of random edits that take each text to the other side: (n,), NaN for a text without words.

    An edit puts a word of the corpus, each as likely, in place of any word of the text that is no sign.

    Args:
        read: see `MarginReader`.
        texts: n of them.
        corpus: words.
        rng: draws the edits.
        draws: edits of each text.
    """
    changed, rows = [], []
    for i, text in enumerate(texts):
        words = split_words(text)
        places = [place for place, word in enumerate(words) if not is_sign(word.text)]
        for _ in range(draws if places and len(corpus) else 0):
            place, new = int(rng.choice(places)), corpus[int(rng.integers(len(corpus)))]
            changed.append(edited(text, words, {place: new}))
            rows.append(i)
    own = read.own(texts)
    before = np.signbit(read(texts, own))
    crossed = np.signbit(read(changed, None if own is None else own[rows])) != before[rows]
    shares = np.full(len(texts), np.nan)
    np.put(shares, sorted(set(rows)), 0.0)
    np.add.at(shares, rows, crossed / draws)
    return shares
