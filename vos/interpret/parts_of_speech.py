"""Parts of speech of the words of English texts, by HanTa, which is a separate extra.

HanTa (LGPL) loads the model in its own package with pickle, which is used nowhere else here: installing it means
trusting that file as much as its code. It is imported only when a tagger is created.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from vos.interpret.words import split_words
from vos.storage.extras import optional

ENGLISH = "morphmodel_en.pgz"

OTHER = "other"
PARTS = (
    ("NP", "name"),
    ("N", "noun"),
    ("V", "verb"),
    ("AJ", "adjective"),
    ("AV", "adverb"),
    ("PN", "pronoun"),
    ("DPS", "pronoun"),
    ("PR", "preposition"),
    ("TO0", "particle"),
    ("CJ", "conjunction"),
    ("AT", "determiner"),
    ("D", "determiner"),
    ("CRD", "number"),
    ("ORD", "number"),
    ("PU", "sign"),
)
"""Prefixes of the tags of the British National Corpus (C5), of which the first match counts, and their names here."""


class PartOfSpeechTagger:
    """Tags the words of a text.

    Raises:
        ConfigError: HanTa is not installed.

    Example:
        PartOfSpeechTagger()("They run.")  # ['pronoun', 'verb', 'sign']
    """

    def __init__(self) -> None:
        hanta: Any = optional("HanTa.HanoverTagger", "pos", "parts of speech")
        self._tagger = hanta.HanoverTagger(ENGLISH)

    def __call__(self, text: str) -> list[str]:
        """The part of speech of each of `split_words(text)`."""
        words = [text[word.start : word.end] for word in split_words(text)]
        return [part_of(tag) for _, _, tag in self._tagger.tag_sent(words)]


def part_of(tag: str) -> str:
    """The name of a C5 tag in this package.

    Example:
        >>> part_of("VVB"), part_of("NP0"), part_of("UNC")
        ('verb', 'name', 'other')
    """
    return next((name for start, name in PARTS if tag.startswith(start)), OTHER)


def parts_at(tagger: PartOfSpeechTagger, texts: Sequence[str], starts: Sequence[int]) -> list[str]:
    """The part of speech of the word that begins at `starts[i]` of `texts[i]`; "other" if none begins there."""
    found = []
    for text, start in zip(texts, starts, strict=True):
        parts = dict(zip((word.start for word in split_words(text)), tagger(text), strict=True))
        found.append(parts.get(int(start), OTHER))
    return found


def agreement_with_senses(parts: Sequence[str], labels: NDArray[np.int64]) -> float:
    """Adjusted mutual information of parts of speech and senses: 1 for the same partition, 0 at chance level.

    Example:
        >>> agreement_with_senses(["noun", "noun", "verb", "verb"], np.array([1, 1, 0, 0]))
        1.0
    """
    return float(adjusted_mutual_info_score(list(parts), labels))
