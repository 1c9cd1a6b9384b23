"""Words that move the margin by themselves: inserted, deleted, and all words of the tokenizer's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.known import known_labels
from vos.atlas.settings import AtlasSettings
from vos.atlas.untuned import untuned_embeddings
from vos.atlas.world import AtlasWorld
from vos.errors import DataError
from vos.interpret.corpus_words import CorpusWords, choose_words, corpus_words, predictive_words, within_label_t
from vos.interpret.importance import rank_agreement
from vos.interpret.shortcuts import (
    FLAG,
    Insertions,
    choose_hosts,
    deletion_effects,
    insertion_effects,
    insertion_surprise,
    rank_words,
)
from vos.interpret.vocabulary_sweep import ALARM, LISTED, TEMPLATES, sweep, vocabulary_words
from vos.interpret.windows import windows
from vos.interpret.word_neighbors import word_vectors

HOSTS = 8
"""Number of texts near the boundary into which words are inserted."""

DELETED = 6
"""Number of texts from which a word is deleted."""

WORDS, PHRASES = 400, 100
"""Words (with punctuation) and phrases that are tried: half are most associated with the margin, half most frequent."""

ROWS = 300
"""Number of words listed in the artefact."""

TEXTS = 12
"""Number of texts listed per word."""

SWEPT = 30_000
"""Largest number of vocabulary words."""

CHUNK = 1024
"""Readings between two progress updates."""

AGREEMENT = 0.3
"""Smallest rank correlation of insertion and deletion with which insertion effects are trusted."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """Surprise of the corpus's words and phrases with its evidence, and the vocabulary sweep.

    Raises:
        DataError: there is no text, or no class is harmful, so that there are no sides.
    """
    natural = np.flatnonzero([split != "made" for split in world.texts.split])
    if not len(natural):
        raise DataError("shortcuts: expected a text that no language model wrote, found none")
    if not world.harmful:
        raise DataError("shortcuts: no class is harmful, so that there is no side that a word could move a text to")
    texts, margins = [world.texts.text[i] for i in natural], world.texts.margin[natural]
    words, t = _candidates(texts, margins, known_labels(world.texts)[natural])
    vocabulary = vocabulary_words(world.classifier.tokenizer, SWEPT, world.rng("shortcuts sweep"))
    read = _ToldMargins(world, (HOSTS + DELETED) * len(words) + len(TEMPLATES) * len(vocabulary))
    rng = world.rng("shortcuts")
    parts = windows(world.classifier, texts)
    hosts = choose_hosts(texts, margins, rng, HOSTS, read=parts)
    moves = insertion_effects(read, hosts, words.words)
    tokenizer, table = untuned_embeddings(world.classifier)
    vectors = word_vectors(tokenizer, table, words.words).double().numpy()
    found = insertion_surprise(np.nanmean(moves, axis=1), words.words, vectors)
    deletion, _ = deletion_effects(read, texts, words, rng, DELETED, parts)
    evidence = {"deletion": deletion, "t": t, "predicts": predictive_words(words, margins)}
    swept = sweep(read, vocabulary)
    read.done()
    return {
        "settings": {"hosts": HOSTS, "deleted": DELETED, "flag": FLAG, "alarm": ALARM, "listed": LISTED}
        | {"templates": TEMPLATES, "words": len(words), "swept": len(vocabulary), "deviation": found.deviation},
        "hosts": natural[list(hosts.rows)],
        "rows": _rows(words, found, evidence, natural[np.argsort(np.abs(margins), kind="stable")], natural),
        "sweep": [
            {"token": swept.words[i], "z": swept.z[i], "alarm": bool(abs(swept.z[i]) > ALARM)}
            for i in swept.listed()[:ROWS]
        ],
        "n_read": read.n_read,
        "checks": [_check(found.effect, deletion)],
        "arrays": {"moves": moves, "surprise": found.surprise, **evidence},
    }


class _ToldMargins:
    """Margins of many texts in chunks, with progress reports."""

    def __init__(self, world: AtlasWorld, total: int) -> None:
        self.world, self.total, self.n_read = world, max(total, 1), 0

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        found = np.empty(len(texts))
        for start in range(0, len(texts), CHUNK):
            part = list(texts[start : start + CHUNK])
            found[start : start + CHUNK] = self.world.margins(part)
            self.n_read += len(part)
            self.world.progress(min(self.n_read, self.total - 1), self.total)
        return found

    def done(self) -> None:
        """Report that everything is done."""
        self.world.progress(self.total, self.total)


def _candidates(
    texts: Sequence[str], margins: NDArray[np.float64], known: NDArray[np.int64]
) -> tuple[CorpusWords, NDArray[np.float64]]:
    """The words to try, with their within-label t statistic; NaN if too few texts have a label."""
    words = corpus_words(texts)
    # Texts without a label form their own group, as their margins depend on words too.
    strength = np.abs(np.nan_to_num(within_label_t(words, margins, known + 1)))
    chosen = choose_words(words, strength, WORDS, PHRASES)
    words = words.at(chosen)
    return words, within_label_t(words, margins, known)


def _rows(
    words: CorpusWords,
    found: Insertions,
    evidence: Mapping[str, NDArray[np.float64]],
    nearest: NDArray[np.int64],
    natural: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """The words, most surprising first, each with its texts nearest the boundary."""
    place = {int(row): rank for rank, row in enumerate(nearest)}
    surprise = found.surprise
    rows = []
    for i in rank_words(np.abs(surprise), found.effect, words.words, found.deviation)[:ROWS]:
        held = sorted((int(row) for row in natural[words.texts_with(i)]), key=place.__getitem__)
        rows.append(
            {
                "word": words.words[i],
                "kind": words.kinds[i],
                "insertion": found.effect[i],
                "surprise": surprise[i],
                **{name: values[i] for name, values in evidence.items()},
                "count": len(held),
                "flag": bool(abs(surprise[i]) > FLAG),
                "texts": held[:TEXTS],
            }
        )
    return rows


def _check(effect: NDArray[np.float64], deletion: NDArray[np.float64]) -> Check:
    """Whether inserting a word and deleting it have corresponding effects."""
    value = rank_agreement(effect, deletion) if len(effect) > 2 else float("nan")
    known = bool(np.isfinite(value))
    said = f"go together in rank ({value:.2f})" if known else "cannot be compared: too few words"
    return Check(
        "putting words in agrees with taking them out",
        value if known else None,
        AGREEMENT,
        known and value >= AGREEMENT,
        f"what {len(effect)} words do where they are put and where they stand {said}; this tests the method alone",
        "method",
    )
