"""One unit of the comparison: a set, an encoder, a seed and a strategy; its learning curve is stored in a file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.selection.arms import Arm
from benchmarks.selection.sets import LabelledSet
from benchmarks.selection.state import Array, State, fit, softmax
from vos.storage.json_files import write_json
from vos.storage.seeds import derive_seed

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Of the L2 regularisation; the best on validation of a seed that is not reported."""

UNREPORTED = 1000
"""That seed."""

Curve = list[dict[str, float]]

Unit = tuple[str, str, int, str]
"""Set, encoder, seed, strategy."""


@dataclass(frozen=True)
class Plan:
    """How many labels.

    Attributes:
        start: labels at the start; of many classes, of each.
        rounds: of labelling.
        per_round: labels a round.
    """

    start: int
    rounds: int
    per_round: int


class Learned(NamedTuple):
    """A classifier and the features under it: (n, d) of all texts, (C, d) and (C,) of its last layer."""

    features: Array
    weight: Array
    bias: Array


class Task(Protocol):
    """What rounds of labels are run on."""

    @property
    def data(self) -> LabelledSet:
        """The texts."""

    @property
    def plan(self) -> Plan:
        """How many labels."""

    @property
    def settings(self) -> Mapping[str, float]:
        """What is kept beside the curves."""

    def learn(self, labelled: Array, seed: int, last: bool) -> Learned:
        """A classifier from labelled rows; after the `last` round only the test texts need features."""


@dataclass(frozen=True)
class Problem:
    """A set under a frozen encoder; a `Task`.

    Attributes:
        data: see `LabelledSet`.
        plan: see `Plan`.
        features: (n, d) float32, standardised over the texts that can be asked.
        strength: of the L2 regularisation.
    """

    data: LabelledSet
    plan: Plan
    features: Array
    strength: float

    @classmethod
    def of(cls, data: LabelledSet, features: Array, plan: Plan) -> Problem:
        """Standardise, and choose the regularisation on validation texts."""
        known = features[list(data.askable)]
        standard = ((features - known.mean(0)) / (known.std(0) + 1e-6)).astype(np.float32)
        rows = start(data, plan, UNREPORTED)
        val, labels = list(data.val), data.labels
        errors = []
        for strength in STRENGTHS:
            weight, bias = fit(standard[rows], labels[rows], data.n_classes, strength)
            errors.append(float((_predicted(standard[val] @ weight.T + bias) != labels[val]).mean()))
        return cls(data, plan, standard, STRENGTHS[int(np.argmin(errors))])

    @property
    def settings(self) -> Mapping[str, float]:
        """What is kept beside the curves."""
        return {"strength": self.strength}

    def learn(self, labelled: Array, seed: int, last: bool) -> Learned:
        """A logistic regression, whose optimum is unique."""
        labels = self.data.labels[labelled]
        return Learned(self.features, *fit(self.features[labelled], labels, self.data.n_classes, self.strength))


def start(data: LabelledSet, plan: Plan, seed: int) -> Array:
    """Rows labelled at the start, drawn at random; of many classes so many of each.

    Raises:
        ValueError: the texts drawn are of one class.
    """
    draw = np.random.default_rng(derive_seed(seed, "start") % 2**32)
    rows, labels = np.array(data.startable), data.labels
    if data.n_classes > 2:
        each = [draw.choice(rows[labels[rows] == c], plan.start, replace=False) for c in range(data.n_classes)]
        return np.concatenate(each)
    chosen = draw.choice(rows, plan.start, replace=False)
    if len(set(labels[chosen].tolist())) < 2:
        raise ValueError(f"{data.name}: {plan.start} texts of one class; start with more")
    return chosen


def run(task: Task, seed: int, arm: Arm) -> tuple[Curve, float]:
    """Measures after each number of labels, and the seconds that the choices took."""
    data, labels = task.data, task.data.labels
    ids, val = tuple(example.id for example in data.examples), list(data.val)
    labelled = start(data, task.plan, seed)
    learned = task.learn(labelled, derive_seed(seed, "fit", 0), last=False)
    curve: Curve = [{"labels": len(labelled), **measure(data, learned)}]
    spent = 0.0
    for number in range(task.plan.rounds):
        pool = np.setdiff1d(np.array(data.askable), labelled)
        state = State(
            learned.features, ids, pool, labelled, labels[labelled], learned.weight, learned.bias, data.harmful,
            task.plan.per_round, derive_seed(seed, "choose", number) % 2**32, (learned.features[val], labels[val]),
        )  # fmt: skip
        started = time.perf_counter()
        chosen = np.asarray(arm(state))
        spent += time.perf_counter() - started
        if len(set(chosen.tolist())) != task.plan.per_round or not np.isin(chosen, pool).all():
            raise ValueError(f"expected {task.plan.per_round} different texts of the pool, got {len(chosen)}")
        mistakes = float((_predicted(state.logits(chosen)) != labels[chosen]).mean())
        labelled = np.concatenate([labelled, chosen])
        last = number == task.plan.rounds - 1
        learned = task.learn(labelled, derive_seed(seed, "fit", number + 1), last)
        curve.append({"labels": len(labelled), "mistakes": mistakes, **measure(data, learned)})
    return curve, spent


def path_of(folder: Path, unit: Unit) -> Path:
    """File of a unit."""
    name, encoder, seed, arm = unit
    return folder / "units" / name / encoder / str(seed) / f"{arm}.json"


def run_units(task: Task, units: Sequence[Unit], arms: Mapping[str, Arm], folder: Path) -> None:
    """Run units of one task, and say how long the rest will take, arm by arm, from those that are done."""
    seconds: dict[str, float] = {}
    for done, unit in enumerate(units):
        started = time.monotonic()
        curve, spent = run(task, unit[2], arms[unit[3]])
        seconds[unit[3]] = time.monotonic() - started
        write_json(path_of(folder, unit), {"curve": curve, "query_seconds": spent, **task.settings})
        left = sum(seconds.get(each[3], seconds[unit[3]]) for each in units[done + 1 :])
        errors = " ".join(f"{100 * row['error']:.1f}" for row in curve)
        took = f"{seconds[unit[3]]:.1f} s, {left / 3600:.2f} hours to come"
        print(f"{' '.join(map(str, unit))}: {errors}; {took}", flush=True)


def measure(data: LabelledSet, learned: Learned) -> dict[str, float]:
    """Error on the test texts, and where a class is harmful what its ranking is worth; error by level where known."""
    rows = list(data.test)
    labels, logits = data.labels[rows], learned.features[rows] @ learned.weight.T + learned.bias
    wrong = _predicted(logits) != labels
    result = {"error": float(wrong.mean())}
    if data.harmful:
        harmful = np.isin(labels, data.harmful)
        score = softmax(logits)[:, list(data.harmful)].sum(1)
        result["auroc"] = float(roc_auc_score(harmful, score))
        result["average_precision"] = float(average_precision_score(harmful, score))
        result["recall_at_fpr05"] = recall_at_fpr(score, harmful, 0.05)
    levels = np.array([-1 if data.examples[row].level is None else data.examples[row].level for row in rows])
    for name, some in (("error_levels_0_1", (0, 1)), ("error_levels_2_3", (2, 3))):
        if np.isin(levels, some).any():
            result[name] = float(wrong[np.isin(levels, some)].mean())
    return result


def recall_at_fpr(scores: Array, harmful: Array, rate: float) -> float:
    """Share of the harmful texts above the score that at most this share of the others exceeds."""
    others = np.sort(scores[~harmful])[::-1]
    threshold = others[min(int(rate * len(others)), len(others) - 1)]
    return float((scores[harmful] > threshold).mean())


def _predicted(logits: Array) -> Array:
    predicted: Array = logits.argmax(1)
    return predicted
