"""Sentences that describe how two sets of texts differ, validated on held-out texts.

A language model that writes such sentences does so for any texts; so a sentence is only shown together with the result
of a judge on held-out texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError

Array = NDArray[np.float64]

LONGEST = 300
"""Largest number of characters of a sentence; longer ones are dropped."""


class Describer(Protocol):
    """Describes how two sets of texts differ."""

    def describe(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Sequence[str]:
        """Sentences that each hold more often for texts of the first set than for texts of the second."""


class Judge(Protocol):
    """Judges whether a sentence holds for texts."""

    def holds(self, sentence: str, texts: Sequence[str]) -> Sequence[float]:
        """For each text, the degree to which the sentence holds, in [0, 1]."""


class JudgingDescriber(Describer, Judge, Protocol):
    """Both a describer and a judge."""


@dataclass(frozen=True)
class DescribeSettings:
    """How sentences are requested and tested.

    Attributes:
        shown: number of texts of each set shown to the describer.
        judged: largest number of held-out texts of each set judged per sentence.
        resamples: number of bootstrap resamples, and of permutations of the test.
        most: largest number of tested sentences; more cost time and reduce the power of the corrected tests.
    """

    shown: int = 25
    judged: int = 100
    resamples: int = 2000
    most: int = 20

    def __post_init__(self) -> None:
        if min(self.shown, self.judged, self.most) < 1 or self.resamples < 100:
            raise ConfigError(f"describe: expected shown, judged, most >= 1 and resamples >= 100, got {self}")


@dataclass(frozen=True)
class ValidatedSentence:
    """A sentence and its validation by the judge.

    Attributes:
        sentence: claimed to hold more often for texts of the first set than of the second.
        v: mean judgement on the first set minus that on the second, in [-1, 1].
        low: lower end of the 95 % bootstrap interval of v.
        high: upper end of the interval.
        p: permutation p-value of v, one-sided.
        q: p corrected for all sentences (Benjamini and Hochberg 1995).
        texts_a: rows of up to three texts of the first set for which it holds best, best first.
    """

    sentence: str
    v: float
    low: float
    high: float
    p: float
    q: float
    texts_a: tuple[int, ...]


def describe_difference(
    describer: Describer,
    judge: Judge,
    texts: Sequence[str],
    sets: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    generator: np.random.Generator,
    settings: DescribeSettings | None = None,
) -> list[ValidatedSentence]:
    """Sentences written from one half of the texts of each set and validated on the other, most significant first.

    Args:
        describer: writes the sentences.
        judge: judges whether they hold; a model other than the describer's, or a person.
        texts: n texts.
        sets: (n,) masks of the first and the second set, which are disjoint.
        generator: random generator of halves, resamples and permutations.
        settings: see `DescribeSettings`.

    Returns:
        An empty list if a set has fewer than four texts, as an interval needs two in each half.
    """
    settings = settings or DescribeSettings()
    rows = [generator.permutation(np.flatnonzero(own)) for own in sets]
    if min(map(len, rows)) < 4:
        return []
    shown = [own[: len(own) // 2][: settings.shown] for own in rows]
    judged = [own[len(own) // 2 :][: settings.judged] for own in rows]
    written = describer.describe(*([texts[i] for i in own] for own in shown))
    return validated(distinct(written)[: settings.most], judge, texts, (judged[0], judged[1]), generator, settings)


def distinct(sentences: Sequence[str]) -> list[str]:
    """The sentences, each on one line, without empty, overlong and repeated ones.

    Example:
        >>> distinct(["are  insults", "", "Are insults", "name a place"])
        ['are insults', 'name a place']
    """
    lines = [" ".join(sentence.split()) for sentence in sentences]
    first = {line.casefold(): line for line in reversed(lines) if 0 < len(line) <= LONGEST}
    return [line for line in lines if first.get(line.casefold()) is line]


def validated(
    sentences: Sequence[str],
    judge: Judge,
    texts: Sequence[str],
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    generator: np.random.Generator,
    settings: DescribeSettings | None = None,
) -> list[ValidatedSentence]:
    """Validate each sentence with a judge; sorted by increasing q, then decreasing v.

    Args:
        sentences: each claimed to hold more often in the first set.
        judge: judges texts.
        texts: n texts.
        rows: rows of the first and the second set that were not used for writing; at least two of each.
        generator: random generator of resamples and permutations.
        settings: see `DescribeSettings`.

    Raises:
        ShapeError: fewer than two texts in a set, or a judge that does not return one number in [0, 1] per text.
    """
    settings = settings or DescribeSettings()
    if min(map(len, rows)) < 2:
        raise ShapeError(f"expected at least 2 held-out texts of each set, got {len(rows[0])} and {len(rows[1])}")
    tried = []
    for sentence in sentences:
        a, b = (_judged(judge, sentence, [texts[i] for i in own]) for own in rows)
        low, high = _interval(a, b, generator, settings.resamples)
        p = _p_value(a, b, generator, settings.resamples)
        surest = tuple(int(i) for i in rows[0][np.argsort(-a, kind="stable")][:3] if a[rows[0] == i][0] > 0.5)
        tried.append((sentence, float(a.mean() - b.mean()), low, high, p, surest))
    corrected = benjamini_hochberg([p for *_, p, _ in tried])
    found = [ValidatedSentence(*each[:5], q, each[5]) for each, q in zip(tried, corrected, strict=True)]
    return sorted(found, key=lambda each: (each.q, -each.v, each.sentence))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """For each p-value, the smallest false discovery rate at which it counts as a discovery.

    Source: Benjamini and Hochberg 1995, as step-up adjusted p-values.

    Example:
        >>> [round(q, 3) for q in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
        [0.04, 0.053, 0.053, 0.5]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return adjusted.tolist()


def _judged(judge: Judge, sentence: str, texts: Sequence[str]) -> Array:
    found = np.asarray(judge.holds(sentence, texts), dtype=np.float64)
    if found.shape != (len(texts),) or not ((found >= 0.0) & (found <= 1.0)).all():
        raise ShapeError(f"judge: expected {len(texts)} numbers in [0, 1], one a text, got shape {found.shape}")
    return found


def _interval(a: Array, b: Array, generator: np.random.Generator, times: int) -> tuple[float, float]:
    means = [own[generator.integers(len(own), size=(times, len(own)))].mean(1) for own in (a, b)]
    low, high = np.quantile(means[0] - means[1], (0.025, 0.975))
    return float(low), float(high)


def _p_value(a: Array, b: Array, generator: np.random.Generator, times: int) -> float:
    """One-sided permutation p-value, with the observed assignment counted as one of the permutations."""
    both = np.concatenate([a, b])
    dealt = generator.permuted(np.tile(both, (times, 1)), axis=1)[:, : len(a)].sum(1)
    return float((1 + (dealt >= a.sum() - 1e-9).sum()) / (1 + times))
