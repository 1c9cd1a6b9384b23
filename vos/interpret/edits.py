"""Texts with replaced words, and the word gradients for predicting their margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos.interpret.gradients import TextGradients
from vos.interpret.margins import MarginReader
from vos.interpret.windows import read_words, windows
from vos.interpret.words import Word, is_sign, overlaps, replaced, split_words


class Edit(NamedTuple):
    """A word of a text and its replacement.

    Attributes:
        start: index of the word's first character in the original text.
        end: one past its last character.
        word: the replacement.
        similarity: cosine of the two words, see `Substitutes`.
    """

    start: int
    end: int
    word: str
    similarity: float


@dataclass(frozen=True)
class Flip:
    """Edits that move a text to the other side.

    Attributes:
        edits: one or more, each of a different word.
        margin: margin after the edits, in float32, see `own_margin`.
    """

    edits: tuple[Edit, ...]
    margin: float


class Slopes(NamedTuple):
    """Words of a text that the classifier reads, without punctuation.

    Attributes:
        places: (k,) int64, indices among the words of the text.
        gradients: (k, d) gradient of the margin, averaged over the word's tokens.
    """

    places: NDArray[np.int64]
    gradients: NDArray[np.float64]


def slopes(words: Sequence[Word], found: TextGradients) -> Slopes:
    """Aggregate the token gradients of a text to its words."""
    shares = overlaps(words, found.spans) > 0
    places = np.array([i for i, word in enumerate(words) if shares[i].any() and not is_sign(word.text)], dtype=np.int64)
    weights = shares[places].astype(np.float64)
    return Slopes(places, weights @ found.gradients / np.maximum(weights.sum(1, keepdims=True), 1.0))


def edited(text: str, words: Sequence[Word], changes: Mapping[int, str]) -> str:
    """The text with some words replaced.

    Args:
        text: any text.
        words: its words.
        changes: index of a word to its replacement.

    Example:
        >>> edited("A big dog", split_words("A big dog"), {1: "tiny", 2: "cat"})
        'A tiny cat'
    """
    for place in sorted(changes, reverse=True):
        text = replaced(text, words[place].start, words[place].end, changes[place])
    return text


def edited_words(text: str, words: Sequence[Word], changes: Mapping[int, str]) -> list[Word]:
    """The words of `edited` with their positions; a replacement counts as one word."""
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
    """Share of random edits that move each text to the other side: (n,), NaN for a text without words.

    An edit replaces a random word of the text, neither punctuation nor of a truncated part, by a word drawn uniformly
    from the corpus.

    Args:
        read: see `MarginReader`.
        texts: n texts.
        corpus: words of the corpus.
        rng: random generator of the edits.
        draws: number of edits per text.
    """
    changed, rows = [], []
    for i, (text, window) in enumerate(zip(texts, windows(read.classifier, texts), strict=True)):
        words = split_words(text)
        places = [place for place in read_words(text, window) if not is_sign(words[place].text)]
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
