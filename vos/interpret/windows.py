"""The part of each text that a classifier reads; words beyond it can move no margin."""

from __future__ import annotations

from collections.abc import Sequence

from vos.interpret.words import Word, split_words
from vos.models.base import TextClassifier

Window = tuple[int, int]
"""The first character that is read, and one past the last."""


def windows(classifier: TextClassifier, texts: Sequence[str]) -> list[Window]:
    """The part of each text that is read: long texts are truncated, at the side that the tokenizer says.

    Without a fast tokenizer the tokens have no positions, and whole texts are returned.
    """
    tokenizer = classifier.tokenizer
    if not texts or not getattr(tokenizer, "is_fast", False):
        return [(0, len(text)) for text in texts]
    given = tokenizer(list(texts), truncation=True, max_length=classifier.max_length, return_offsets_mapping=True)
    found = []
    for spans in given["offset_mapping"]:
        own = [(start, end) for start, end in spans if end > start]
        found.append((min(start for start, _ in own), max(end for _, end in own)) if own else (0, 0))
    return found


def is_read(span: Window, window: Window) -> bool:
    """Whether some of the characters of a span are read."""
    return span[0] < window[1] and span[1] > window[0]


def read_words(text: str, window: Window) -> list[int]:
    """Indices, among the words of a text, of those that are read.

    Example:
        >>> read_words("one red fox", (0, 5))
        [0, 1]
    """
    return [i for i, word in enumerate(split_words(text)) if _read(word, window)]


def insertion_places(text: str, window: Window) -> list[int]:
    """Numbers of the words before which an inserted word is read, see `inserted`; the end only if it is read too.

    Example:
        >>> insertion_places("one red fox", (0, 5)), insertion_places("one red fox", (0, 11))
        ([0, 1], [0, 1, 2, 3])
    """
    words, places = split_words(text), read_words(text, window)
    return places if places and places[-1] < len(words) - 1 else [*places, len(words)]


def _read(word: Word, window: Window) -> bool:
    return is_read((word.start, word.end), window)
