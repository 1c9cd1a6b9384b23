"""All words of the tokenizer's vocabulary in short templates: finds shortcuts that no available text contains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.interpret.shortcuts import Margins, robust_deviation
from vos.interpret.words import is_sign, split_words

ALARM = 8.0
"""Robust standard deviations above which a word of the vocabulary is an alarm."""

LISTED = 5.0
"""Robust standard deviations above which a word is listed."""

TEMPLATES = ("{}", "this is {}")
"""Templates into which a word is inserted; short, so that the whole vocabulary can be read."""


@dataclass(frozen=True)
class Sweep:
    """Effects of the words of a vocabulary on short texts.

    Attributes:
        words: v words.
        z: (v,) mean change of the margin over the templates, minus the median of all words, in robust standard
            deviations; positive is towards harm.
    """

    words: tuple[str, ...]
    z: NDArray[np.float64]

    def listed(self, threshold: float = LISTED) -> list[int]:
        """Indices of the words beyond a threshold, strongest first."""
        return [int(i) for i in np.argsort(-np.abs(self.z), kind="stable") if abs(self.z[i]) > threshold]


def vocabulary_words(tokenizer: Any, most: int | None = None, rng: np.random.Generator | None = None) -> list[str]:
    """Whole words and punctuation of a tokenizer's vocabulary, lower case, without duplicates, by id.

    A token is included if the tokenizer encodes its text as a single token that begins a word; continuation tokens and
    bytes are not. Single letters are left out, punctuation marks are not.

    Args:
        tokenizer: tokenizer of the classifier.
        most: largest number of words; None: all.
        rng: chooses the words if there are more; None: the first are used.
    """
    special = set(tokenizer.all_special_ids)
    ids = [i for i in sorted(tokenizer.get_vocab().values()) if i not in special]
    texts = [str(tokenizer.decode([i])).strip().casefold() for i in ids]
    whole = [text for text in dict.fromkeys(texts) if _is_word(text)]
    if not whole:
        return []
    again = tokenizer([f" {text}" for text in whole], add_special_tokens=False, return_attention_mask=False)[
        "input_ids"
    ]
    found = [text for text, pieces in zip(whole, again, strict=True) if len(pieces) == 1 and pieces[0] not in special]
    if most is None or len(found) <= most:
        return found
    chosen = range(most) if rng is None else sorted(rng.choice(len(found), most, replace=False).tolist())
    return [found[i] for i in chosen]


def _is_word(text: str) -> bool:
    words = split_words(text)
    return len(words) == 1 and len(words[0].text) == len(text) and (len(text) > 1 or is_sign(text))


def sweep(
    margins: Margins,
    words: Sequence[str],
    templates: Sequence[str] = TEMPLATES,
    told: Callable[[int, int], None] | None = None,
    chunk: int = 2048,
) -> Sweep:
    """Insert every word into every template.

    Args:
        margins: returns the margins of texts.
        words: see `vocabulary_words`.
        templates: templates with `{}` in the place of the word.
        told: called with the number of words done and in total.
        chunk: number of words between two calls of `told`.
    """
    moves = np.zeros((len(words), len(templates)))
    for start in range(0, len(words), chunk):
        part = words[start : start + chunk]
        found = margins([template.replace("{}", word) for word in part for template in templates])
        moves[start : start + chunk] = found.reshape(len(part), len(templates))
        if told is not None:
            told(start + len(part), len(words))
    if len(words):
        moves -= np.median(moves, axis=0)
    mean = moves.mean(1)
    return Sweep(tuple(words), mean / max(robust_deviation(mean), 1e-12))
