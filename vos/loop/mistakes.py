"""What answers to a batch say of the classifier that proposed it: mistakes found near the boundary and at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vos.harmful import Classes
from vos.labeling import Ledger, consensus
from vos.metrics.calibration import wilson_interval
from vos.metrics.margins import on_harmful_side

NOT_NEAR = ("random", "baseline")
"""Texts chosen otherwise than near the boundary; those with a known answer have no consensus and never count."""


@dataclass(frozen=True)
class Rate:
    """So many of so many texts.

    Attributes:
        k: of them.
        n: texts; 0 where nobody has answered.
    """

    k: int = 0
    n: int = 0

    @classmethod
    def of(cls, found: Iterable[bool]) -> Rate:
        """How many are true."""
        values = list(found)
        return cls(sum(values), len(values))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `k / n`; n must not be zero."""
        return wilson_interval(self.k, self.n)

    def metrics(self, name: str) -> dict[str, float]:
        """The rate with its interval as `name`, `name_low`, `name_high`; empty where there is no text."""
        if not self.n:
            return {}
        low, high = self.interval
        return {name: self.k / self.n, f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True)
class FoundMistakes:
    """What the answers to the texts that one classifier proposed say of it.

    Attributes:
        near: mistakes among the texts chosen near the boundary.
        random: mistakes among those drawn at random, which stand for the whole pool.
        missed: false negatives among the harmful texts drawn at random: those chosen near the boundary say nothing of
            the whole. Of no text where no class is harmful.
    """

    near: Rate
    random: Rate
    missed: Rate

    def metrics(self) -> dict[str, float]:
        """Flat names to numbers, those without a text left out.

        `near/n`, `near/error` with `near/error_low` and `near/error_high`, `near/labels_per_mistake` (texts answered
        for each mistake found; absent where none was), the same under `random/`; and `random/harmful`, the harmful ones
        of the random share, with `random/fnr`, `random/fnr_low` and `random/fnr_high`.
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
    """Mistakes found so far, by round of the classifier that proposed the texts; rounds without answers are not there.

    A mistake is a text to which people (by the vote of `consensus`) give another class than the classifier did whose
    margin and probabilities were stored when the text was proposed. A text without these, or with a tie, is not judged.

    Args:
        ledger: of the project.
        classes: of the data.
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
    """Mistakes among texts: why each was chosen, the classifier's class, the people's."""
    near = [(guess, truth) for chosen, guess, truth in rows if chosen not in NOT_NEAR]
    random = [(guess, truth) for chosen, guess, truth in rows if chosen == "random"]
    harm = classes.harmful_names
    return FoundMistakes(
        near=Rate.of(guess != truth for guess, truth in near),
        random=Rate.of(guess != truth for guess, truth in random),
        missed=Rate.of(guess not in harm for guess, truth in random if truth in harm),
    )


def predicted_class(payload: Mapping[str, Any], classes: Classes) -> str | None:
    """The class that a classifier gave to a text, from the fields of its record; None where they do not say.

    The most probable class on the margin's side of the boundary, so that side and class agree where several outputs of
    a model add up to one class.

    Args:
        payload: fields of a `BoundaryRecord`.
        classes: of the data.
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
    """What the newest round says of each rate that has a text there: it speaks for the present."""
    found = list(rounds.values())
    rates = {
        name: next((rate for each in reversed(found) if (rate := getattr(each, name)).n), Rate())
        for name in ("near", "random", "missed")
    }
    return FoundMistakes(**rates)
