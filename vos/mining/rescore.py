"""Corrects the samples of a pool that was scored fast to those of exact scores.

bfloat16 changes a margin by about a hundredth, and so the keys of the samples: near the last text kept, the order may
differ. So more texts are kept than needed. Those that may belong to the samples are scored again in float32, their keys
are recomputed, and the smallest are kept. The observed changes of keys show which texts may belong to the samples, and
whether some of these were not kept; then the pool is read a second time, with larger samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vos.errors import ShapeError
from vos.mining.candidates import Facts
from vos.mining.pool_sample import Array, Kept, PoolSample, SampleSizes
from vos.types import Example

SAFETY = 2.0
"""Keys that were not recomputed may have changed by this many times the largest observed change."""

SPARE_TEXTS = 64
"""Number of texts kept in addition to the multiple of the requested size."""

ROOM = 1.1
"""A second pass keeps this many times the size that the first pass found necessary."""

MOST_NEAREST = 20_000
"""Largest number of texts with the smallest margins that are kept. In a pool of 10^8 texts, a hundredth of a logit
contains many more; then the smallest margins are determined only among these, with a message."""


@dataclass(frozen=True)
class Spare:
    """By which factors a pass with fast scores enlarges the samples.

    Attributes:
        weighted: factor of the weighted sample, whose keys change by at most a sixth with bfloat16 and default power.
        nearest: factor of the texts with the smallest |margin|.
    """

    weighted: float = 1.5
    nearest: float = 4.0


@dataclass(frozen=True)
class Rescored:
    """The result of scoring again.

    Attributes:
        sample: sample with the requested sizes and exact values.
        read: number of texts that were scored again.
        wider: None if no text that was not kept could belong to the samples; otherwise the sizes for another pass.
        is_capped: whether more than `MOST_NEAREST` texts could have the smallest margins.
    """

    sample: PoolSample
    read: int
    wider: Spare | None
    is_capped: bool = False


def widened(sizes: SampleSizes, spare: Spare | None = None) -> SampleSizes:
    """Sizes for the pass with fast scores; the unbiased sample, which does not depend on scores, keeps one more.

    Example:
        >>> widened(SampleSizes(1000, 100, 50, 4.0))
        SampleSizes(weighted=1564, nearest=464, uniform=51, power=4.0, by_text=False)
    """
    spare = spare or Spare()
    nearest = max(min(_times(sizes.nearest, spare.nearest), MOST_NEAREST), sizes.nearest)
    return replace(sizes, weighted=_times(sizes.weighted, spare.weighted), nearest=nearest, uniform=sizes.uniform + 1)


def _times(n: int, times: float) -> int:
    return math.ceil(n * times) + SPARE_TEXTS


class _Part:
    """One of the samples whose keys change.

    Args:
        kept: sample of the fast pass.
        wanted: requested size of the sample.
        scale: transforms keys to a scale on which their changes are additive.
    """

    def __init__(self, kept: Kept, wanted: int, scale: Callable[[Array], Array]) -> None:
        self.kept, self.wanted, self.scale = kept, wanted, scale
        self.needed = min(wanted + 1, len(kept.keys))  # one more, whose key is the threshold
        self.bound = -math.inf

    @property
    def facts(self) -> Facts:
        """Fast facts of the texts that may belong to the sample, as currently known."""
        return self.kept.facts.at(range(self.needed))

    def learn(self, exact: Array) -> bool:
        """Set the exact keys (`needed`,) of its texts; returns whether no other text may belong to the sample."""
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
        """The factor for the next pass: `ratio` times what was kept, at least 1.5 times the factor before."""
        return max(ROOM * ratio * len(self.kept.keys) / max(self.wanted, 1), 1.5 * before)


def rescore(
    fast: PoolSample, sizes: SampleSizes, score: Callable[[list[Example]], Facts], spare: Spare | None = None
) -> Rescored:
    """Score again the texts of a fast pass that may belong to the samples, and keep those with the smallest exact keys.

    Args:
        fast: sample with `widened` sizes.
        sizes: requested sizes.
        score: computes exact facts of texts, in their order.
        spare: factors by which the sizes were widened.
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
    # Among the smallest keys, the number below a bound is proportional to the bound.
    if not weighted.is_safe():
        ratio = math.exp(weighted.bound - math.log(weighted.kept.threshold))
        wider = replace(wider, weighted=weighted.spare(ratio, spare.weighted))
    if not nearest.is_safe():
        ratio = nearest.bound / max(nearest.kept.threshold, 1e-30)
        wider = replace(wider, nearest=nearest.spare(min(ratio, float(MOST_NEAREST)), spare.nearest))
    return Rescored(sample, exact.n, wider)


class _Exact:
    """Exact facts of texts, each scored once; a text that the pool holds several times has one row."""

    def __init__(self, score: Callable[[list[Example]], Facts]) -> None:
        self._score = score
        self._rows: dict[tuple[str, str], int] = {}
        self._facts: Facts | None = None

    @property
    def n(self) -> int:
        """Number of texts that were scored."""
        return len(self._rows)

    def of(self, fast: Facts) -> Facts:
        """Exact facts of the texts in `fast`."""
        names = [(example.id, example.text) for example in fast.examples]
        new = {name: example for name, example in zip(names, fast.examples, strict=True) if name not in self._rows}
        if new or self._facts is None:
            self._rows |= {name: self.n + i for i, name in enumerate(new)}
            scored = self._score(list(new.values()))
            self._facts = scored if self._facts is None else Facts.together([self._facts, scored])
            if len(self._facts) != self.n:
                raise ShapeError(f"scores of texts: expected one row for each of {self.n}, got {len(self._facts)}")
        return self._facts.at([self._rows[name] for name in names])
