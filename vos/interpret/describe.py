"""Sentences that say how two sets of texts differ, and whether they hold on texts that they were not written from.

A language model may write them, and it will write them whatever the texts are; so a sentence is shown with what a judge
finds on held-out texts, never alone.
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
"""Characters of a sentence; what is longer is no description."""


class Describer(Protocol):
    """Writes how two sets of texts differ."""

    def describe(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Sequence[str]:
        """Sentences that each hold for texts of the first set more often than for texts of the second."""


class Judge(Protocol):
    """Reads whether a sentence holds for texts."""

    def holds(self, sentence: str, texts: Sequence[str]) -> Sequence[float]:
        """For each text how far the sentence holds, in [0, 1]."""


class JudgingDescriber(Describer, Judge, Protocol):
    """Does both."""


@dataclass(frozen=True)
class DescribeSettings:
    """How sentences are asked for and tried.

    Attributes:
        shown: texts of each set that the describer reads.
        judged: held-out texts of each set that the judge reads for each sentence, at most.
        resamples: of the bootstrap, and shuffles of the test.
        most: sentences that are tried; more cost the judge time and the others their significance.
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
    """A sentence and what the judge found.

    Attributes:
        sentence: holds for texts of the first set more often than for texts of the second, it says.
        v: mean judgement on the first set less that on the second, in [-1, 1].
        low: of the 95 % bootstrap interval of v.
        high: of the same.
        p: of v or more when the texts of both sets are dealt anew.
        q: p corrected for all sentences (Benjamini and Hochberg 1995).
        texts_a: rows of up to three texts of the first set that it holds for, the surest first.
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
    """Sentences from one half of the texts of each set, validated on the other, the surest first.

    Args:
        describer: writes the sentences.
        judge: reads whether they hold; another model than the describer's, or a person.
        texts: n.
        sets: (n,) masks of the first and the second set, without a text in common.
        generator: of halves, resamples and shuffles.
        settings: see `DescribeSettings`.

    Returns:
        Nothing where a set has fewer than four texts: an interval needs two of each half.
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
    """The sentences on one line each, without empty, overlong and repeated ones.

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
    """What a judge finds of each sentence, the smallest q and then the largest v first.

    Args:
        sentences: each says what holds more often in the first set.
        judge: reads texts.
        texts: n.
        rows: of the first and the second set, none of which the sentences were written from; two of each at least.
        generator: of resamples and shuffles.
        settings: see `DescribeSettings`.

    Raises:
        ShapeError: fewer than two texts in a set, or a judge that does not give one number in [0, 1] a text.
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
    """For each p-value the smallest false discovery rate at which it counts as a discovery.

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
    """Share of the deals, the true one counted among them, that put as much of the judgements into the first set."""
    both = np.concatenate([a, b])
    dealt = generator.permuted(np.tile(both, (times, 1)), axis=1)[:, : len(a)].sum(1)
    return float((1 + (dealt >= a.sum() - 1e-9).sum()) / (1 + times))
