"""Every word that the tokenizer knows, put into short templates: shortcuts that no text at hand holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.interpret.shortcuts import Margins, robust_deviation
from vos.interpret.words import is_sign, split_words

ALARM = 8.0
"""Robust deviations above which a word of the vocabulary is an alarm."""

LISTED = 5.0
"""Robust deviations above which it is worth reading."""

TEMPLATES = ("{}", "this is {}")
"""What a word is put into; short, so that the whole vocabulary can be read."""


@dataclass(frozen=True)
class Sweep:
    """The words of a vocabulary by what they do to short texts.

    Attributes:
        words: v of them.
        z: (v,) mean move over the templates, less the median of all words, in robust deviations; positive is harm.
    """

    words: tuple[str, ...]
    z: NDArray[np.float64]

    def listed(self, threshold: float = LISTED) -> list[int]:
        """Places of the words beyond a threshold, the strongest first."""
        return [int(i) for i in np.argsort(-np.abs(self.z), kind="stable") if abs(self.z[i]) > threshold]


def vocabulary_words(tokenizer: Any, most: int | None = None, rng: np.random.Generator | None = None) -> list[str]:
    """Whole words and signs of a tokenizer's vocabulary, lower case, each once, by id.

    A piece counts where the tokenizer gives it back as one token that begins a word; pieces inside words and bytes do
    not. Single letters are left out, signs are not.

    Args:
        tokenizer: of the classifier.
        most: words at most; None takes all.
        rng: draws those that are taken where there are more; None takes the first.
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
    """Put every word into every template.

    Args:
        margins: of any texts.
        words: see `vocabulary_words`.
        templates: with `{}` where the word goes.
        told: called with words done and words in all.
        chunk: words between two calls of `told`.
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
