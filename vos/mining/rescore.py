"""The samples of a pool that was scored fast, as exact scores would have kept them.

bfloat16 moves a margin by a hundredth or so, and with it the keys of the samples: near the last text that is kept the
order may differ. So a few more texts are kept than the choice needs, these are scored again in float32, their keys are
made anew, and the smallest stay. Whether one more could have belonged to them is told by how far the keys moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vos.mining.candidates import Facts
from vos.mining.pool_sample import Array, Kept, PoolSample, SampleSizes
from vos.types import Example

SPARE_SHARE, SPARE_TEXTS = 0.05, 64
"""How much more is kept at first: this share, and so many texts."""

SAFETY = 2.0
"""A key that was not seen again may have moved by so many times the farthest move of those that were."""


@dataclass(frozen=True)
class Rescored:
    """The outcome of scoring again.

    Attributes:
        sample: of the sizes that were asked for, all its facts exact.
        read: texts that were scored again.
        is_safe: no text that was left out could belong to the samples.
    """

    sample: PoolSample
    read: int
    is_safe: bool


def widened(sizes: SampleSizes, times: int = 1) -> SampleSizes:
    """Sizes for the pass with fast scores; the unbiased sample does not depend on these, and tells its threshold.

    Example:
        >>> widened(SampleSizes(1000, 100, 50, 4.0))
        SampleSizes(weighted=1114, nearest=169, uniform=51, power=4.0)
    """
    weighted, nearest = _more(sizes.weighted, times), _more(sizes.nearest, times)
    return replace(sizes, weighted=weighted, nearest=nearest, uniform=sizes.uniform + 1)


def _more(n: int, times: int) -> int:
    return n + times * math.ceil(SPARE_SHARE * n + SPARE_TEXTS)


def rescore(fast: PoolSample, sizes: SampleSizes, score: Callable[[list[Example]], Facts]) -> Rescored:
    """Score again what a pass with fast scores kept, and leave what exact scores keep of it.

    Args:
        fast: of `widened` sizes.
        sizes: those asked for.
        score: gives exact facts of texts, in their order.
    """
    parts = {"weighted": fast.weighted, "nearest": fast.nearest, "uniform": fast.uniform}
    examples = {example.id: example for kept in parts.values() for example in kept.facts.examples}
    facts = score(list(examples.values()))
    row_of = {id_: row for row, id_ in enumerate(examples)}
    exact = {name: facts.at([row_of[each.id] for each in kept.facts.examples]) for name, kept in parts.items()}
    sample = PoolSample(sizes, fast.seed, facts.batch.features.shape[1], facts.batch.logits.shape[1])
    moved = sample.keep(exact["weighted"], exact["nearest"], exact["uniform"], fast.counts)
    # The keys of the weighted sample move by a factor, the margins by a distance.
    is_safe = _is_safe(parts["weighted"], moved[0], sizes.weighted, np.log) and _is_safe(
        parts["nearest"], moved[1], sizes.nearest, np.asarray
    )
    return Rescored(sample, len(examples), is_safe)


def _is_safe(kept: Kept, exact: Array, wanted: int, scale: Callable[[Array], Array]) -> bool:
    """Whether the last text wanted lies closer than any text left out could by its exact key."""
    if not math.isfinite(kept.threshold):
        return True
    farthest = float(np.abs(scale(exact) - scale(kept.keys)).max(initial=0.0))
    last, bound = np.sort(exact)[: wanted + 1][-1:], np.array([kept.threshold])
    return bool((scale(last) + SAFETY * farthest <= scale(bound)).all())
