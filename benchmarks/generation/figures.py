"""Computes the figures of the benchmark from the judged texts.

A text counts for an arm if it breaks no rule, is within `distance` of its target and within `delta` of its margin, and
has an edit similarity below 0.7 to every real text. `distinct` counts different texts; `apart` counts, greedily, only
texts that are also less than 0.7 similar to each other, so that a shared beginning is not counted twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rapidfuzz.distance import Indel

NEW = 0.7
BOOTSTRAP = 4000


@dataclass(frozen=True)
class Judged:
    """One text as it was judged, with its place so that any target can be judged against.

    Attributes:
        text: it.
        flaw: the rule it breaks, or None.
        similarity: to the nearest real text.
        margin: logit units.
        place: coordinates.
    """

    text: str
    flaw: str | None
    similarity: float
    margin: float
    place: tuple[float, ...]

    def distance(self, place: Sequence[float], unit: float) -> float:
        """D to a place."""
        gap = np.subtract(self.place, place)
        return float(np.sqrt((gap**2).mean()) / unit)


@dataclass(frozen=True)
class Unit:
    """What one arm made for one target: the smallest thing that is measured, kept and taken up again.

    Attributes:
        seed: of the draw.
        arm: name.
        target: index within the draw.
        margin: asked for.
        place: asked for.
        reach: D to the nearest real text in the band.
        tokens: sampled from the language model.
        calls: texts and prefixes that the classifier read.
        seconds: of one processor.
        texts: everything that was judged.
    """

    seed: int
    arm: str
    target: int
    margin: float
    place: tuple[float, ...]
    reach: float | None
    tokens: int
    calls: int
    seconds: float
    texts: tuple[Judged, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Unit:
        """After a way through JSON."""
        texts = tuple(Judged(**row | {"place": tuple(row["place"])}) for row in values["texts"])
        return cls(**values | {"texts": texts, "place": tuple(values["place"])})


@dataclass(frozen=True)
class Rule:
    """What counts: see the module."""

    unit: float
    distance: float
    delta: float

    def reason(self, text: Judged, unit: Unit) -> str | None:
        """Why a text does not count for a target, or None."""
        if text.flaw is not None:
            return text.flaw
        if text.similarity >= NEW:
            return "near-copy of a real text"
        if text.distance(unit.place, self.unit) > self.distance:
            return "too far"
        return "outside the band" if abs(text.margin - unit.margin) > self.delta else None

    def accepted(self, unit: Unit) -> list[Judged]:
        """Different texts that count, in the order in which they were made."""
        found = {text.text: text for text in unit.texts if self.reason(text, unit) is None}
        return list(found.values())


def apart(texts: Sequence[str]) -> list[str]:
    """Texts of a greedy choice that are less than 0.7 similar to each other."""
    kept: list[str] = []
    for text in texts:
        if all(Indel.normalized_similarity(text.lower(), other.lower()) < NEW for other in kept):
            kept.append(text)
    return kept


def separate(units: Sequence[Unit], rule: Rule) -> list[str]:
    """Texts of all targets that count and are apart."""
    return apart(list(dict.fromkeys(text.text for unit in units for text in rule.accepted(unit))))


def arm_figures(units: Sequence[Unit], rule: Rule) -> dict[str, Any]:
    """Sums over the targets and seeds of one arm."""
    tokens = sum(unit.tokens for unit in units)
    taken = {unit: [text.text for text in rule.accepted(unit)] for unit in units}
    distinct = len({text for texts in taken.values() for text in texts})
    n_apart = len(separate(units, rule))
    reasons = Counter(rule.reason(text, unit) for unit in units for text in unit.texts)
    result: dict[str, Any] = {
        "units": len(units),
        "lm_tokens": tokens,
        "classifier_calls": sum(unit.calls for unit in units),
        "processor_seconds": round(sum(unit.seconds for unit in units), 1),
        "texts": sum(len(unit.texts) for unit in units),
        "distinct": distinct,
        "apart": n_apart,
        "targets_hit": sum(bool(texts) for texts in taken.values()),
        "targets_missed": sum(not texts for texts in taken.values()),
        "refused": {name: n for name, n in reasons.most_common() if name is not None},
    }
    if tokens:
        result |= {"distinct_per_1000": 1000 * distinct / tokens, "apart_per_1000": 1000 * n_apart / tokens}
    return result | control(units, rule)


def control(units: Sequence[Unit], rule: Rule, best: int = 5) -> dict[str, Any]:
    """Does the arm follow its target? Of the best sound new texts of every target, accepted or not.

    `top1` is the share whose nearest target of the same draw is their own; `chance` is that of a guess. `slope` and
    `r2` are of the least-squares line of margins reached over margins asked.
    """
    hits, chances, gaps, asked, reached = [], [], [], [], []
    for unit in units:
        sound = [text for text in unit.texts if text.flaw is None and text.similarity < NEW]
        off = {text: max(0.0, abs(text.margin - unit.margin) - rule.delta) for text in sound}
        sound.sort(key=lambda text: text.distance(unit.place, rule.unit) ** 2 + off[text] ** 2)
        rivals = {other.target: other for other in units if other.seed == unit.seed}
        for text in sound[:best]:
            distances = {target: text.distance(other.place, rule.unit) for target, other in rivals.items()}
            hits.append(min(distances, key=lambda target: distances[target]) == unit.target)
            chances.append(1 / len(rivals))
            gaps.append(distances[unit.target])
            asked.append(unit.margin)
            reached.append(text.margin)
    if not hits:
        return {}
    result = {
        "top1": float(np.mean(hits)),
        "chance": float(np.mean(chances)),
        "distance_median": float(np.median(gaps)),
    }
    if np.std(asked) > 0 and np.std(reached) > 0:
        slope = float(np.polyfit(asked, reached, 1)[0])
        result |= {"slope": slope, "r2": float(np.corrcoef(asked, reached)[0, 1] ** 2)}
    return result


def shuffled(units: Sequence[Unit]) -> list[Unit]:
    """The placebo: each target is answered by the texts that were made, at the same cost, for the next one."""
    result = []
    for seed in sorted({unit.seed for unit in units}):
        row = sorted((unit for unit in units if unit.seed == seed), key=lambda unit: unit.target)
        if len(row) > 1:
            for own, other in zip(row, (*row[1:], row[0]), strict=True):
                values = own.__dict__ | {"texts": other.texts, "tokens": other.tokens, "calls": other.calls}
                result.append(Unit(**values | {"arm": "placebo"}))
    return result


def best_of(units: Sequence[Unit], rule: Rule, n: int = 8) -> list[Unit]:
    """Of every n plain samples the one that comes nearest; the cost is that of all n."""
    result = []
    for unit in units:
        texts = unit.texts[: len(unit.texts) // n * n]
        groups = [texts[i : i + n] for i in range(0, len(texts), n)]
        best = tuple(min(group, key=lambda text: _loss(text, unit, rule)) for group in groups)
        result.append(Unit(**unit.__dict__ | {"arm": "best of 8", "texts": best}))
    return result


def _loss(text: Judged, unit: Unit, rule: Rule) -> float:
    off = max(0.0, abs(text.margin - unit.margin) - rule.delta)
    return text.distance(unit.place, rule.unit) ** 2 + off**2 + 100.0 * (text.flaw is not None)


def compared(units: Sequence[Unit], others: Sequence[Unit], rule: Rule) -> dict[str, Any]:
    """Accepted texts per 1,000 tokens against another arm: ratio and difference with paired bootstrap 95 % intervals.

    What is drawn again is the pair (seed, target), so the interval speaks of other targets of the same kind.
    """
    own = {(unit.seed, unit.target): unit for unit in units}
    base = {(unit.seed, unit.target): unit for unit in others}
    keys = sorted(own.keys() & base.keys())
    if not keys:
        return {}
    counts = np.array(
        [[len(apart([t.text for t in rule.accepted(side[key])])) for side in (own, base)] for key in keys]
    )
    tokens = np.array([[max(side[key].tokens, 1) for side in (own, base)] for key in keys])
    draws = np.random.default_rng(0).integers(len(keys), size=(BOOTSTRAP, len(keys)))
    rates = 1000 * counts[draws].sum(1) / tokens[draws].sum(1)
    rate = 1000 * counts.sum(0) / tokens.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = rates[:, 0] / rates[:, 1]
    low, high = np.quantile(rates[:, 0] - rates[:, 1], [0.025, 0.975])
    result: dict[str, Any] = {"pairs": len(keys), "difference": [float(rate[0] - rate[1]), float(low), float(high)]}
    # Where the other arm may well have found nothing, a ratio has no upper end; the lower one is still told.
    ratios = np.where(np.isnan(ratios), 1.0, ratios)
    low, high = np.quantile(ratios, [0.025, 0.975], method="lower")
    result["ratio"] = [_finite(rate[0] / rate[1] if rate[1] else np.inf), _finite(low), _finite(high)]
    return result


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def sample(texts: Sequence[str], n: int) -> list[str]:
    """At most n of the texts, chosen by a fixed seed."""
    return random.Random(0).sample(list(texts), min(n, len(texts)))  # noqa: S311 - no secret
