"""The samples of a pool that was scored fast, as exact scores would have kept them.

bfloat16 moves a margin by a hundredth or so, and with it the keys of the samples: near the last text that is kept the
order may differ. So more texts are kept than the choice needs. Those that may belong to the samples are scored again in
float32, their keys are made anew, and the smallest stay. How far the keys moved tells which texts may belong to them,
and whether some of these were not even kept; then the pool is read once more, and enough is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vos.mining.candidates import Facts
from vos.mining.pool_sample import Array, Kept, PoolSample, SampleSizes
from vos.types import Example

SAFETY = 2.0
"""A key that was not seen again may have moved by so many times the farthest move of those that were."""

SPARE_TEXTS = 64
"""Kept beyond every multiple of what is wanted."""

ROOM = 1.1
"""A second pass keeps so many times what the first one says is needed."""

MOST_NEAREST = 20_000
"""Texts of the smallest margins that are kept at most. In a pool of 10^8 texts a hundredth of a logit holds many more;
there the smallest margins are told apart among these, and that is said."""


@dataclass(frozen=True)
class Spare:
    """How many times what is wanted a pass with fast scores keeps.

    Attributes:
        weighted: of the weighted sample: its keys move by a sixth at most with bfloat16 and the default power.
        nearest: of the texts of the smallest |margin|.
    """

    weighted: float = 1.5
    nearest: float = 4.0


@dataclass(frozen=True)
class Rescored:
    """The outcome of scoring again.

    Attributes:
        sample: of the sizes that were asked for, all its facts exact.
        read: texts that were scored again.
        wider: None where no text that was left out could belong to the samples; else what another pass is to keep.
        is_capped: more texts than `MOST_NEAREST` could be of the smallest margins.
    """

    sample: PoolSample
    read: int
    wider: Spare | None
    is_capped: bool = False


def widened(sizes: SampleSizes, spare: Spare | None = None) -> SampleSizes:
    """Sizes for the pass with fast scores; the unbiased sample does not depend on these, and tells its threshold.

    Example:
        >>> widened(SampleSizes(1000, 100, 50, 4.0))
        SampleSizes(weighted=1564, nearest=464, uniform=51, power=4.0)
    """
    spare = spare or Spare()
    nearest = max(min(_times(sizes.nearest, spare.nearest), MOST_NEAREST), sizes.nearest)
    return replace(sizes, weighted=_times(sizes.weighted, spare.weighted), nearest=nearest, uniform=sizes.uniform + 1)


def _times(n: int, times: float) -> int:
    return math.ceil(n * times) + SPARE_TEXTS


class _Part:
    """One of the samples whose keys move.

    Args:
        kept: what the fast pass kept.
        wanted: texts of the sample.
        scale: on which keys move by a distance.
    """

    def __init__(self, kept: Kept, wanted: int, scale: Callable[[Array], Array]) -> None:
        self.kept, self.wanted, self.scale = kept, wanted, scale
        self.needed = min(wanted + 1, len(kept.keys))  # one more, whose key is the threshold
        self.bound = -math.inf

    @property
    def facts(self) -> Facts:
        """Fast facts of the texts that may belong to the sample, as far as is known."""
        return self.kept.facts.at(range(self.needed))

    def learn(self, exact: Array) -> bool:
        """Take the exact keys (`needed`,) of its texts in; whether they are all that may belong to the sample."""
        if not len(exact):
            return True
        moved = np.abs(self.scale(exact) - self.scale(self.kept.keys[: self.needed])).max()
        self.bound = float(self.scale(np.sort(exact)[: self.wanted + 1])[-1] + SAFETY * moved)
        known, self.needed = self.needed, int((self.scale(self.kept.keys) <= self.bound).sum())
        self.needed = max(self.needed, known)
        return self.needed == known

    def is_safe(self) -> bool:
        """Whether every text that may belong to the sample was kept."""
        return not math.isfinite(self.kept.threshold) or self.bound <= float(self.scale(np.array(self.kept.threshold)))

    def spare(self, ratio: float, before: float) -> float:
        """How many times what is wanted holds `ratio` times what was kept; at least half as much again as before."""
        return max(ROOM * ratio * len(self.kept.keys) / max(self.wanted, 1), 1.5 * before)


def rescore(
    fast: PoolSample, sizes: SampleSizes, score: Callable[[list[Example]], Facts], spare: Spare | None = None
) -> Rescored:
    """Score again what of a pass with fast scores may belong to the samples, and leave what exact scores keep of it.

    Args:
        fast: of `widened` sizes.
        sizes: those asked for.
        score: gives exact facts of texts, in their order.
        spare: that the sizes were widened by.
    """
    spare = spare or Spare()
    weighted = _Part(fast.weighted, sizes.weighted, np.log)
    nearest = _Part(fast.nearest, sizes.nearest, np.asarray)
    exact = _Exact(score)
    while True:
        facts = [exact.of(each) for each in (weighted.facts, nearest.facts, fast.uniform.facts)]
        sample = PoolSample(sizes, fast.seed, facts[0].batch.features.shape[1], facts[0].batch.logits.shape[1])
        keys = sample.keep(facts[0], facts[1], facts[2], fast.counts)
        if all([weighted.learn(keys[0]), nearest.learn(keys[1])]):
            break
    is_capped = not nearest.is_safe() and fast.sizes.nearest >= MOST_NEAREST
    if weighted.is_safe() and (nearest.is_safe() or is_capped):
        return Rescored(sample, exact.n, None, is_capped)
    wider = spare
    # Among the smallest keys the number below a bound grows with the bound: an exponential law, and margins near 0.
    if not weighted.is_safe():
        ratio = math.exp(weighted.bound - math.log(weighted.kept.threshold))
        wider = replace(wider, weighted=weighted.spare(ratio, spare.weighted))
    if not nearest.is_safe():
        ratio = nearest.bound / max(nearest.kept.threshold, 1e-30)
        wider = replace(wider, nearest=nearest.spare(min(ratio, float(MOST_NEAREST)), spare.nearest))
    return Rescored(sample, exact.n, wider)


class _Exact:
    """Exact facts of texts, each scored once."""

    def __init__(self, score: Callable[[list[Example]], Facts]) -> None:
        self._score = score
        self._rows: dict[str, int] = {}
        self._facts: Facts | None = None

    @property
    def n(self) -> int:
        """Texts that were scored."""
        return len(self._rows)

    def of(self, fast: Facts) -> Facts:
        """Exact facts of the texts of some fast ones."""
        new = [example for example in fast.examples if example.id not in self._rows]
        if new or self._facts is None:
            self._rows |= {example.id: self.n + i for i, example in enumerate(new)}
            scored = self._score(new)
            self._facts = scored if self._facts is None else Facts.together([self._facts, scored])
        return self._facts.at([self._rows[example.id] for example in fast.examples])
