"""Words of a text with their positions, and edits: deleting, replacing and inserting a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

_WORD = regex.compile(
    r"""
      [\p{Han}\p{Hiragana}]                                                  # written without spaces: sign by sign
    | [[\p{L}\p{N}\p{M}]--[\p{Han}\p{Hiragana}]]++
      (?:['\u2019\-\u2010\u2011\p{Cf}]++[[\p{L}\p{N}\p{M}]--[\p{Han}\p{Hiragana}]]++)*+  # they're, well-known
    | (?![\s\p{C}])(\X)\1*+                                                  # !!, one sign repeated, emoji too
    """,
    regex.VERBOSE | regex.V1,
)

_ATTACHED = frozenset(".,!?;:…")
"""Punctuation marks that are written without a space before them."""


class Word(NamedTuple):
    """A word in a text.

    Attributes:
        text: in lower case, with a straight apostrophe; two words are equal if this is equal.
        start: index of its first character in the text.
        end: one past its last character.
    """

    text: str
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """The words of a text, in order.

    A word is a sequence of letters and digits, including inner apostrophes and hyphens, or a repetition of *one*
    punctuation mark, so that "!!" is a word: for a classifier, punctuation is input like words. Han and Hiragana, which
    are written without spaces, are split by character, as BERT tokenizers do. Spaces, control characters and direction
    marks between words belong to no word.

    Example:
        >>> [word.text for word in split_words("They’re well-known, no?!!")]
        ["they're", 'well-known', ',', 'no', '?', '!!']
        >>> split_words("  No")
        [Word(text='no', start=2, end=4)]
    """
    return [
        Word(found.group().casefold().replace("\u2019", "'"), found.start(), found.end())
        for found in _WORD.finditer(text)
    ]


def is_sign(word: str) -> bool:
    """Whether a word is punctuation or another symbol, not letters or digits.

    Example:
        >>> is_sign("!!"), is_sign("it's")
        (True, False)
    """
    return not any(character.isalnum() for character in word)


def without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without the spans; a double space, or a space at an end, that would remain is removed.

    Args:
        text: any text.
        spans: (start, end) of characters, in any order; they may touch or overlap.

    Example:
        >>> without("so very, very odd", [(3, 7), (9, 13)])
        'so, odd'
        >>> without("so very odd", [(0, 2)])
        'very odd'
    """
    kept, place = "", 0
    for start, end in sorted(spans):
        if end <= place:
            continue
        start = max(start, place)
        kept += text[place:start]
        place, rest = end, text[end:]
        if not rest or rest[0] in _ATTACHED:
            kept = kept.rstrip()
        elif not kept or kept[-1].isspace():
            place += len(rest) - len(rest.lstrip())
        elif kept[-1].isalnum() and rest[0].isalnum() and is_sign(text[start:end]):
            kept += " "  # "and/or" without its slash is two words
    return kept + text[place:]


def replaced(text: str, start: int, end: int, word: str) -> str:
    """The text with `word` in place of the characters from `start` to `end`; an initial capital is preserved.

    Example:
        >>> replaced("Dogs bark", 0, 4, "cats"), replaced("DOGS bark", 0, 4, "cats")
        ('Cats bark', 'CATS bark')
    """
    old = text[start:end]
    if len(old) > 1 and old.isupper():
        word = word.upper()
    elif old[:1].isupper():
        word = word[:1].upper() + word[1:]
    return text[:start] + word + text[end:]


def inserted(text: str, place: int, word: str) -> str:
    """Insert a word before word number `place`, counted from 0, or at the end.

    Spacing follows writing conventions: no space before a full stop and similar marks, one around any other word.

    Example:
        >>> inserted("a dog barks", 1, "big"), inserted("a dog barks", 3, "!!")
        ('a big dog barks', 'a dog barks!!')
    """
    words = split_words(text)
    at = words[place].start if place < len(words) else len(text)
    before, after = text[:at], text[at:]
    if word[:1] in _ATTACHED:
        before = before.rstrip()
    elif before and not before[-1].isspace():
        before += " "
    return before + word + (" " if after and not after[0].isspace() else "") + after


def by_word(words: Sequence[Word], spans: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum token values to words; a token that covers several words is split in proportion to its characters in each.

    Args:
        words: the k words of a text.
        spans: (t, 2) character spans of the tokens.
        values: (t,) values of the tokens.

    Returns:
        (k,), NaN for a word without tokens, in the truncated part of a long text.

    Example:
        >>> words = [Word("no", 0, 2), Word("!", 2, 3)]
        >>> by_word(words, np.array([[0, 1], [1, 3]]), np.array([1.0, 4.0]))
        array([3., 2.])
    """
    shares = overlaps(words, spans)
    covered = shares.sum(0)
    with np.errstate(invalid="ignore"):
        weights = np.where(covered > 0, shares / covered, 0.0)
    found: NDArray[np.float64] = np.where(shares.any(1), weights @ values, np.nan)
    return found


def overlaps(words: Sequence[Word], spans: NDArray[np.int64]) -> NDArray[np.float64]:
    """Number of characters shared by each of k words and each of t tokens: (k, t)."""
    edges = np.array([(word.start, word.end) for word in words], dtype=np.int64).reshape(-1, 2)
    starts = np.maximum(edges[:, :1], spans[None, :, 0])
    shared = np.minimum(edges[:, 1:], spans[None, :, 1]) - starts
    return np.asarray(np.maximum(shared, 0), dtype=np.float64)
