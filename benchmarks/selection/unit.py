"""One unit of the comparison: a set, an encoder, a seed and a strategy; a learning curve comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.selection.arms import Arm
from benchmarks.selection.sets import LabelledSet
from benchmarks.selection.state import Array, State, fit, softmax
from vos.storage.seeds import derive_seed

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Of the L2 regularisation; the best on validation of a seed that is not reported."""

UNREPORTED = 1000
"""That seed."""

Curve = list[dict[str, float]]


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


@dataclass(frozen=True)
class Problem:
    """A set under an encoder.

    Attributes:
        data: see `LabelledSet`.
        features: (n, d) float32, standardised over the texts that can be asked.
        strength: of the L2 regularisation.
        plan: see `Plan`.
    """

    data: LabelledSet
    features: Array
    strength: float
    plan: Plan

    @classmethod
    def of(cls, data: LabelledSet, features: Array, plan: Plan) -> Problem:
        """Standardise, and choose the regularisation on validation texts."""
        known = features[list(data.askable)]
        standard = ((features - known.mean(0)) / (known.std(0) + 1e-6)).astype(np.float32)
        problem = cls(data, standard, STRENGTHS[0], plan)
        rows = problem.start(UNREPORTED)
        val, labels = list(data.val), data.labels
        errors = []
        for strength in STRENGTHS:
            weight, bias = fit(standard[rows], labels[rows], data.n_classes, strength)
            errors.append(float((_predicted(standard[val] @ weight.T + bias) != labels[val]).mean()))
        return cls(data, standard, STRENGTHS[int(np.argmin(errors))], plan)

    def start(self, seed: int) -> Array:
        """Rows labelled at the start, drawn at random; of many classes so many of each.

        Raises:
            ValueError: the texts drawn are of one class.
        """
        draw = np.random.default_rng(derive_seed(seed, "start") % 2**32)
        rows, labels = np.array(self.data.startable), self.data.labels
        if self.data.n_classes > 2:
            each = [
                draw.choice(rows[labels[rows] == c], self.plan.start, replace=False) for c in range(self.data.n_classes)
            ]
            return np.concatenate(each)
        chosen = draw.choice(rows, self.plan.start, replace=False)
        if len(set(labels[chosen].tolist())) < 2:
            raise ValueError(f"{self.data.name}: {self.plan.start} texts of one class; start with more")
        return chosen


def run(problem: Problem, seed: int, arm: Arm) -> tuple[Curve, float]:
    """Measures after each number of labels, and the seconds that the choices took."""
    data, labels = problem.data, problem.data.labels
    ids = tuple(example.id for example in data.examples)
    labelled = problem.start(seed)
    weight, bias = fit(problem.features[labelled], labels[labelled], data.n_classes, problem.strength)
    curve: Curve = [{"labels": len(labelled), **measure(problem, weight, bias)}]
    spent = 0.0
    for number in range(problem.plan.rounds):
        pool = np.setdiff1d(np.array(data.askable), labelled)
        held_out = (problem.features[list(data.val)], labels[list(data.val)])
        state = State(
            problem.features, ids, pool, labelled, labels[labelled], weight, bias, data.harmful,
            problem.plan.per_round, derive_seed(seed, "choose", number) % 2**32, held_out,
        )  # fmt: skip
        started = time.perf_counter()
        chosen = np.asarray(arm(state))
        spent += time.perf_counter() - started
        if len(set(chosen.tolist())) != problem.plan.per_round or not np.isin(chosen, pool).all():
            raise ValueError(f"expected {problem.plan.per_round} different texts of the pool, got {len(chosen)}")
        mistakes = float((_predicted(state.logits(chosen)) != labels[chosen]).mean())
        labelled = np.concatenate([labelled, chosen])
        weight, bias = fit(problem.features[labelled], labels[labelled], data.n_classes, problem.strength)
        curve.append({"labels": len(labelled), "mistakes": mistakes, **measure(problem, weight, bias)})
    return curve, spent


def measure(problem: Problem, weight: Array, bias: Array) -> dict[str, float]:
    """Error on the test texts, and where a class is harmful what its ranking is worth; error by level where known."""
    data, rows = problem.data, list(problem.data.test)
    labels, logits = data.labels[rows], problem.features[rows] @ weight.T + bias
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
