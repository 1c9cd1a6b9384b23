"""Signed word saliency of the atlas's texts, and checks of whether it is right."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.reading_order import affordable, gradient_reader, margin_reader, reading_order
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.interpret.gradients import STEPS, GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.saliency import LONG, Saliency, agreement, deletion, deletion_flips, integrated, saliency
from vos.interpret.words import split_words

MOST_WORDS = 700_000
"""Largest number of words read by the classifier, 75 seconds on two cores; texts beyond it have no saliency."""

PASSES = 4.0
"""Cost of one gradient step, in readings of the text."""

CHECKED = 100
"""Number of texts near the boundary whose words are deleted in threes."""

COMPARED = 20
"""Number of texts near the boundary, and of others, on which the two methods are compared."""

DELETED = 3

FLIPS, AGREEMENT = 2.0, 0.6
"""Thresholds of the checks."""


class _Measured(NamedTuple):
    """Measured quality of a saliency; NaN if there are too few texts."""

    n: int
    top: float
    random: float
    correlation: float

    @property
    def ratio(self) -> float:
        """How many times as often deleting the words that most support a side flips it, compared with random words."""
        return self.top / max(self.random, 1 / (4 * self.n)) if self.n else float("nan")


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """The effect of each word, for as many texts as time allows, those near the boundary first; and the checks."""
    read, gradients = margin_reader(world), gradient_reader(world)
    rows = _rows(world, gradients)
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        world.progress(done, len(rows) + 1)

    found: list[Saliency | None] = [None] * len(world.texts)
    baseline = None if gradients is None else gradients.mean_embedding(world.texts.text)
    values = saliency(read, [world.texts.text[i] for i in rows], gradients, baseline=baseline, told=told)
    for row, each in zip(rows, values, strict=True):
        found[row] = each
    measured = _measure(world, read, gradients, found)
    control = None if world.is_control else _control(world)
    world.progress(len(rows) + 1, len(rows) + 1)
    return {
        "settings": {"long": LONG, "steps": STEPS, "deleted": DELETED, "most_words": MOST_WORDS},
        "method": [None if each is None else each.method for each in found],
        "words": [None if each is None else _plain(each) for each in found],
        "gap": [each.gap if each is not None and each.method != "deletion" else None for each in found],
        "random_deletion": measured.random,
        "top_deletion": measured.top,
        "n_read": read.n_read,
        "checks": _checks(measured, control, gradients is not None),
    }


def _plain(each: Saliency) -> list[list[float]]:
    return [[word.start, word.end, round(float(value), 3)] for word, value in zip(each.words, each.values, strict=True)]


def _rows(world: AtlasWorld, gradients: GradientReader | None) -> NDArray[np.int64]:
    """The texts that the time limit allows."""
    order = reading_order(world.texts)
    room, costs = world.classifier.max_length, []
    for i in order:
        words = [word.text for word in split_words(world.texts.text[i])]
        times = len(set(words)) + 1 if len(words) <= LONG else STEPS * PASSES if gradients is not None else 0.0
        costs.append(times * min(len(words), room))
    return affordable(order, np.array(costs), MOST_WORDS)


def _measure(
    world: AtlasWorld, read: MarginReader, gradients: GradientReader | None, found: list[Saliency | None]
) -> _Measured:
    """Test the method on the texts whose words were deleted one at a time."""
    known = [i for i, each in enumerate(found) if each is not None and each.method == "deletion"]
    near, rng = [i for i in known if world.texts.near[i]], world.rng("saliency")
    near = [near[i] for i in np.sort(rng.permutation(len(near))[:CHECKED])]
    flips = deletion_flips(
        read, [world.texts.text[i] for i in near], [each for i in near if (each := found[i])], rng, DELETED
    )
    other = [i for i in known if not world.texts.near[i]]
    rows = near[:COMPARED] + [other[i] for i in np.sort(rng.permutation(len(other))[:COMPARED])]
    correlation = float("nan")
    if gradients is not None and rows:
        baseline = gradients.mean_embedding(world.texts.text)
        second = dict(integrated(gradients, [world.texts.text[i] for i in rows], baseline))
        correlation = agreement([each for i in rows if (each := found[i])], [second[i] for i in range(len(rows))])
    return _Measured(flips.n, flips.top, flips.random, correlation)


def _control(world: AtlasWorld) -> _Measured:
    """The same for the encoder with random weights, on the texts that the tests need."""
    control = world.control()
    near, other = np.flatnonzero(control.texts.near), np.flatnonzero(~control.texts.near)
    rows = np.concatenate([near[:CHECKED], other[:COMPARED]])
    read, found = margin_reader(control), [None] * len(control.texts)
    each: list[Saliency | None] = list(found)
    short = [int(i) for i in rows if len(split_words(control.texts.text[i])) <= LONG]
    for row, value in zip(short, deletion(read, [control.texts.text[i] for i in short]), strict=True):
        each[row] = value
    return _measure(control, read, gradient_reader(control), each)


def _checks(measured: _Measured, control: _Measured | None, has_gradients: bool) -> list[Check]:
    said = "too few texts near the boundary to measure it"
    if measured.n:
        said = (
            f"without the {DELETED} words that support its side most {measured.top:.0%} of {measured.n} texts near the "
            f"boundary change sides, without {DELETED} random words {measured.random:.0%}; this tests the method alone"
        )
    checks = [
        _check("supporting words decide", measured.ratio, FLIPS, said, None if control is None else control.ratio)
    ]
    if has_gradients:
        value = measured.correlation
        said = "too few texts to measure it"
        if np.isfinite(value):
            said = (
                f"integrated gradients, used for texts of more than {LONG} words, rank the words of shorter ones as "
                f"deletion does (mean correlation {value:.2f}); this tests the method alone"
            )
        other = None if control is None else control.correlation
        checks.append(_check("integrated gradients agree with deletion", value, AGREEMENT, said, other))
    return checks


def _check(name: str, value: float, threshold: float, said: str, control: float | None) -> Check:
    known = bool(np.isfinite(value))
    return Check(name, value if known else None, threshold, known and value >= threshold, said, "method", control)
