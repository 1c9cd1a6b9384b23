"""The smallest flip of texts near the boundary, edits of a few texts far from it, and flips by random edits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.reading_order import affordable, margin_reader, reading_order
from vos.atlas.settings import AtlasSettings
from vos.atlas.untuned import untuned_embeddings
from vos.atlas.world import AtlasWorld
from vos.interpret.edits import Flip, random_flips
from vos.interpret.flips import FlipFinder
from vos.interpret.gradients import GradientReader
from vos.interpret.word_neighbors import Corpus, Substitutes
from vos.interpret.words import split_words

MOST_WORDS = 450_000
"""Largest number of words read by the classifier, 50 seconds on two cores; texts beyond this limit have no flip."""

READINGS = 30
"""Mean number of readings for the flip of a text near the boundary."""

CORE = 40
"""Number of texts far from the boundary that are edited in several words."""

DRAWS = 4
"""Number of random edits per text."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """Flips of the texts near the boundary and of some that are not, and the share of random edits that flip.

    Raises:
        ModelError: the model has no word gradients.
    """
    read, gradients = margin_reader(world), GradientReader(world.classifier)
    corpus = Corpus.of([*world.texts.text, *(example.text for example in world.train.examples)])
    finder = FlipFinder(read, gradients, Substitutes(*untuned_embeddings(world.classifier), corpus))
    near, core = _rows(world)
    total, done = 2 * len(near) + len(core) + 1, 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        world.progress(done, total)

    flips, tried = finder.gentlest(_texts(world, near), told)
    random = random_flips(read, _texts(world, near), corpus.words, world.rng("random edits"), DRAWS)
    told(len(near))
    core_flips, core_tried = finder.greedy(_texts(world, core), told)
    world.progress(total, total)
    inside = world.texts.near[near]
    known = random[inside][np.isfinite(random[inside])]
    rate = float(known.mean()) if len(known) else None
    share = float(np.mean([flip is not None for flip in flips], where=inside)) if inside.any() else None
    return {
        "settings": {**asdict(finder.settings), "draws": DRAWS, "most_words": MOST_WORDS},
        "index": [*near.tolist(), *core.tolist()],
        "flip": [None if flip is None else _plain(flip) for flip in (*flips, *core_flips)],
        "tried": [*tried.tolist(), *core_tried.tolist()],
        "random": [*random.tolist(), *[None] * len(core)],
        "random_rate": rate,
        "near_flipped": share,
        "n_read": read.n_read,
        "checks": [_check(share, rate, int(inside.sum()))],
    }


def _texts(world: AtlasWorld, rows: NDArray[np.int64]) -> list[str]:
    return [world.texts.text[i] for i in rows]


def _rows(world: AtlasWorld) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts near the boundary, in the batch or answered, within the time limit; and texts from the farther half."""
    texts = world.texts
    wanted = texts.near | texts.batch | np.array([answer is not None for answer in texts.answer], dtype=np.bool_)
    rows = np.array([i for i in reading_order(texts) if wanted[i]], dtype=np.int64)
    lengths = [min(len(split_words(texts.text[i])), world.classifier.max_length) for i in rows]
    near = affordable(rows, READINGS * np.array(lengths, dtype=np.float64), MOST_WORDS)
    far = np.flatnonzero(np.abs(texts.margin) > np.median(np.abs(texts.margin))) if len(texts) else np.zeros(0, int)
    far = np.setdiff1d(far, rows)
    return near, np.sort(world.rng("core texts").permutation(far)[:CORE]).astype(np.int64)


def _plain(flip: Flip) -> dict[str, Any]:
    """A flip in the form of the artefact: the first edit, and all edits; the similarity is the smallest of them."""
    edits = [edit._asdict() for edit in flip.edits]
    similarity = min(edit.similarity for edit in flip.edits)
    return {**edits[0], "similarity": similarity, "margin": flip.margin, "edits": edits}


def _check(share: float | None, rate: float | None, n: int) -> Check:
    name = "one similar word flips texts near the boundary"
    if share is None or rate is None:
        return Check(name, None, None, False, "no text near the boundary to try it on", "method", bound="above")
    said = (
        f"one similar word flips {share:.0%} of {n} texts near the boundary, one random edit {rate:.0%}: flips are "
        "true of this model, and as easily found of any other; read the margin after them"
    )
    return Check(name, share, rate, share > rate, said, "method", bound="above")
