"""Words of the atlas's texts for which the encoder separates several senses, compared with parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.world import AtlasWorld
from vos.errors import ConfigError
from vos.interpret.parts_of_speech import PartOfSpeechTagger, agreement_with_senses, parts_at
from vos.interpret.senses import LEAST, Senses, WordVectors, context_p, split_senses, word_vectors
from vos.interpret.terms import distinctive_terms, term_matrix
from vos.interpret.words import split_words

CANDIDATES = 40
"""Number of words that are tried, the most frequent first."""

MOST_COMMON = 0.06
"""Largest share of texts with a word that is tried; more common words are mostly prepositions and pronouns."""

SHORTEST = 3
"""Smallest number of letters of a word that is tried."""

LEVEL = 0.02
"""Largest p-value of a word that is shown; one in fifty tried words would pass either test by chance."""

SHOWN = 12
EXAMPLES = 5

ALIKE = 0.25
"""Jaccard index of the words of two texts from which only the first text counts: the two texts of a pair have a word in
the same context and position, for which even an encoder with random weights finds senses."""

LEAST_PARTS = 3
"""Smallest number of occurrences for a part of speech of a word to count."""


@dataclass(frozen=True)
class WordSenses:
    """A word whose occurrences form clusters.

    Attributes:
        word: case-folded.
        found: where it occurs, in the texts that were read.
        senses: sense of each occurrence.
        p: the larger of two p-values, for the hypotheses that a single cloud of vectors splits as well, and that the
            neighbouring words do not differ.
    """

    word: str
    found: WordVectors
    senses: Senses
    p: float


def words_with_senses(world: AtlasWorld, rows: NDArray[np.int64]) -> list[WordSenses]:
    """Words of some texts whose occurrences cluster better than by chance, the clearest first.

    Args:
        world: the classifier and the texts.
        rows: texts that are read.
    """
    texts = [world.texts.text[row] for row in rows]
    words = candidate_words(texts)
    parted = []
    for word, every in word_vectors(world.classifier, texts, words).items():
        found = every.at(distinct(texts, every.texts))
        if len(found.texts) >= LEAST:
            rng = world.rng(f"senses {word}")
            senses = split_senses(found.vectors, rng)
            p = max(senses.p, context_p(found.contexts, senses.labels, found.positions, rng))
            if p <= LEVEL:
                parted.append(WordSenses(word, found, senses, p))
    return sorted(parted, key=lambda each: (-each.senses.share, each.word))[:SHOWN]


def candidate_words(texts: Sequence[str]) -> list[str]:
    """Words that occur often enough but not nearly everywhere, the most frequent first."""
    counts = Counter(word for text in texts for word in {each.text for each in split_words(text)})
    fitting = [
        (-n, word)
        for word, n in counts.items()
        if LEAST <= n <= MOST_COMMON * len(texts) and len(word) >= SHORTEST and word.isalpha()
    ]
    return [word for _, word in sorted(fitting)[:CANDIDATES]]


def distinct(texts: Sequence[str], of_text: NDArray[np.int64]) -> NDArray[np.intp]:
    """Indices into `of_text` whose texts are not near-duplicates of an earlier one, see `ALIKE`."""
    kept: list[int] = []
    words: list[set[str]] = []
    for place, i in enumerate(of_text):
        own = {each.text for each in split_words(texts[i])}
        if all(len(own & other) < ALIKE * len(own | other) for other in words):
            kept.append(place)
            words.append(own)
    return np.array(kept, dtype=np.intp)


def senses_dict(each: WordSenses, world: AtlasWorld, rows: NDArray[np.int64]) -> dict[str, Any]:
    """A word in the form of the artefact `communities`; texts are rows of the atlas."""
    of_text = each.found.texts
    holders, first = np.unique(of_text, return_index=True)
    matrix = term_matrix([world.texts.text[rows[i]] for i in holders], min_df=2, longest=1)
    groups = []
    for sense in range(int(each.senses.labels.max()) + 1):
        own = each.senses.labels == sense
        words = distinctive_terms(matrix, each.senses.labels[first] == sense, n=8, prior=20.0)
        shown = np.unique(of_text[own])[:EXAMPLES]
        groups.append({"n": int(own.sum()), "words": words, "texts": [int(rows[i]) for i in shown]})
    return {"token": each.word, "share": each.senses.share, "groups": groups, "better_than_chance": each.p}


def parts_of_speech(
    parted: Sequence[WordSenses], world: AtlasWorld, rows: NDArray[np.int64]
) -> list[dict[str, Any]] | None:
    """Words with several parts of speech, and how well senses match them; None if the extra `pos` is missing."""
    try:
        tagger = PartOfSpeechTagger()
    except ConfigError:
        return None
    found = []
    for each in parted:
        texts = [world.texts.text[rows[i]] for i in each.found.texts]
        parts = parts_at(tagger, texts, each.found.starts.tolist())
        counts = [(part, n) for part, n in Counter(parts).most_common() if n >= LEAST_PARTS]
        if len(counts) > 1:
            found.append(
                {
                    "token": each.word,
                    "parts": [f"{part} {n}" for part, n in counts],
                    "agreement": agreement_with_senses(parts, each.senses.labels),
                }
            )
    return found
