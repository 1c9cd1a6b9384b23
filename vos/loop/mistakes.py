"""Mistakes of the classifier that the answers to its batches reveal, near the boundary and in the random share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vos.harmful import Classes
from vos.labeling import Ledger, consensus
from vos.metrics.calibration import wilson_interval
from vos.metrics.margins import on_harmful_side

NOT_NEAR = ("random", "baseline")
"""Values of `chosen` for texts not chosen near the boundary; gold texts have no consensus and never count."""


@dataclass(frozen=True)
class Rate:
    """A rate: k of n texts.

    Attributes:
        k: number of texts that count.
        n: number of all texts; 0 if nobody has answered.
    """

    k: int = 0
    n: int = 0

    @classmethod
    def of(cls, found: Iterable[bool]) -> Rate:
        """The rate of true values."""
        values = list(found)
        return cls(sum(values), len(values))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `k / n`; n must not be zero."""
        return wilson_interval(self.k, self.n)

    def metrics(self, name: str) -> dict[str, float]:
        """The rate with its interval as `name`, `name_low`, `name_high`; empty without texts."""
        if not self.n:
            return {}
        low, high = self.interval
        return {name: self.k / self.n, f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True)
class FoundMistakes:
    """Mistakes of one classifier among the texts that it proposed.

    Attributes:
        near: mistakes among the texts chosen near the boundary.
        random: mistakes among the texts drawn at random, which represent the whole pool.
        missed: false negatives among the harmful texts drawn at random; those near the boundary are not representative
            of the pool. Without texts if no class is harmful.
    """

    near: Rate
    random: Rate
    missed: Rate

    def metrics(self) -> dict[str, float]:
        """Flat names to numbers; those without texts are left out.

        `near/n`, `near/error` with `near/error_low` and `near/error_high`, `near/labels_per_mistake` (answered texts
        per mistake; absent without mistakes), the same under `random/`; and `random/harmful`, the number of harmful
        texts in the random share, with `random/fnr`, `random/fnr_low` and `random/fnr_high`.
        """
        found: dict[str, float] = {}
        for name, rate in (("near", self.near), ("random", self.random)):
            if rate.n:
                found |= {f"{name}/n": rate.n} | rate.metrics(f"{name}/error")
            if rate.k:
                found[f"{name}/labels_per_mistake"] = rate.n / rate.k
        if self.missed.n:
            found |= {"random/harmful": self.missed.n} | self.missed.metrics("random/fnr")
        return found


def found_mistakes(ledger: Ledger, classes: Classes) -> dict[int, FoundMistakes]:
    """Mistakes found so far, by round of the classifier that proposed the texts; only rounds with answers.

    A mistake is a text for which people's answer (by the vote of `consensus`) differs from the class predicted by the
    classifier that proposed it, whose margin and probabilities were stored. Texts without these, or with a tie, do not
    count.

    Args:
        ledger: ledger of the project.
        classes: classes of the data.
    """
    labels = consensus(ledger).labels
    judged: dict[int, list[tuple[str, str, str]]] = {}
    for uid, item in ledger.items(list(labels)).items():
        predicted = predicted_class(item.payload, classes)
        if predicted is not None:
            row = str(item.payload.get("chosen")), predicted, labels[uid]
            judged.setdefault(ledger.round_of(uid) or 0, []).append(row)
    return {number: _counted(rows, classes) for number, rows in sorted(judged.items())}


def _counted(rows: Sequence[tuple[str, str, str]], classes: Classes) -> FoundMistakes:
    """Count mistakes; each row is the reason for the choice, the classifier's class and people's class."""
    near = [(guess, truth) for chosen, guess, truth in rows if chosen not in NOT_NEAR]
    random = [(guess, truth) for chosen, guess, truth in rows if chosen == "random"]
    harm = classes.harmful_names
    return FoundMistakes(
        near=Rate.of(guess != truth for guess, truth in near),
        random=Rate.of(guess != truth for guess, truth in random),
        missed=Rate.of(guess not in harm for guess, truth in random if truth in harm),
    )


def predicted_class(payload: Mapping[str, Any], classes: Classes) -> str | None:
    """The predicted class of a text, from the fields of its record; None if the fields are missing.

    It is the most probable class on the margin's side of the boundary, so that side and class agree even if several
    outputs of a model are summed to one class.

    Args:
        payload: fields of a `BoundaryRecord`.
        classes: classes of the data.
    """
    margin, probability = payload.get("margin"), payload.get("probability") or {}
    if margin is None:
        return None
    side = classes.names
    if classes.harmful:
        side = classes.harmful_names if on_harmful_side(margin) else classes.other_names
    known = [name for name in side if name in probability]
    if known:
        return max(known, key=lambda name: float(probability[name]))
    return side[0] if len(side) == 1 else None


def newest(rounds: Mapping[int, FoundMistakes]) -> FoundMistakes:
    """For each rate, the value of the newest round that has texts for it."""
    found = list(rounds.values())
    rates = {
        name: next((rate for each in reversed(found) if (rate := getattr(each, name)).n), Rate())
        for name in ("near", "random", "missed")
    }
    return FoundMistakes(**rates)
