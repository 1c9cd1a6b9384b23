"""The chance that a prediction is wrong, calibrated on validation texts.

The margin says most of it. Beside the margin, the distance from the predicted class tells confident predictions apart:
among them, texts far from all that was trained on are wrong several times as often as near ones. And a text whose
nearest labelled texts are of another class is wrong more often than its margin says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import optimize, special, stats
from torch import Tensor

from vos.density import GaussianDensity
from vos.metrics.margins import harmful_sides, margin
from vos.types import FeatureBatch

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST_TEXTS, FEWEST_OF_EACH = 50, 5
"""Validation texts, and mistakes and right predictions among them, below which nothing is fitted."""

NEIGHBOURS = 10

SMALLEST_SHARE = 1e-3
"""A smaller share of texts beyond a distance counts as this one: the tail is extrapolated there."""

FOLDS = 5


@dataclass(frozen=True)
class LabelledTexts:
    """Texts whose class is known.

    Attributes:
        directions: (n, d) float32, features scaled to length one.
        labels: (n,) int64.
    """

    directions: Tensor
    labels: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor) -> LabelledTexts:
        """From features (n, d)."""
        return cls(torch.nn.functional.normalize(features.float(), dim=1), labels)

    def disagreement(self, features: Tensor, predicted: Tensor, harmful: Sequence[int]) -> Tensor:
        """Share of the nearest labelled texts, by cosine, on another side than the prediction: (k,) float64.

        Where no class is harmful, of another class. Zero where nothing is labelled.
        """
        n = min(NEIGHBOURS, len(self.labels))
        if not n:
            return torch.zeros(len(features), dtype=torch.float64)
        cosines = torch.nn.functional.normalize(features.float(), dim=1) @ self.directions.T
        labels = self.labels[cosines.topk(n, dim=1).indices]
        if harmful:
            sides = torch.tensor(list(harmful))
            return (torch.isin(labels, sides) != torch.isin(predicted, sides)[:, None]).double().mean(1)
        return (labels != predicted[:, None]).double().mean(1)


def evidence(batch: FeatureBatch, density: GaussianDensity, harmful: Sequence[int], labelled: LabelledTexts) -> Array:
    """What an expected error is told from: (n, 3) float64.

    |margin| in logit units; `-ln` of the share of held-out texts beyond the distance from the predicted class;
    disagreement of the nearest labelled texts.
    """
    margins, predicted = margin(batch.logits, harmful), batch.logits.argmax(-1)
    beyond = torch.full((len(predicted),), SMALLEST_SHARE, dtype=torch.float64)
    known = density.ready[predicted]  # a class without a Gaussian is far from everything
    squared = density.own_mahalanobis(batch.features[known], predicted[known])
    beyond[known] = density.share_beyond(squared, predicted[known]).double().clamp_min(SMALLEST_SHARE)
    columns = (margins.abs().double(), -beyond.log(), labelled.disagreement(batch.features, predicted, harmful))
    return torch.stack(columns, 1).numpy()


def mistakes(logits: Tensor, labels: Tensor, harmful: Sequence[int]) -> Array:
    """Whether each prediction is on the wrong side (of another class where none is harmful): (n,) bool."""
    if not harmful:
        return (logits.argmax(-1) != labels).numpy()
    return (harmful_sides(margin(logits, harmful)) != torch.isin(labels, torch.tensor(list(harmful)))).numpy()


@dataclass(frozen=True)
class ExpectedError:
    """Gives the chance that a prediction is wrong.

    A logistic regression whose signs are fixed: the chance falls with |margin|, and rises with the distance and with
    the disagreement, so that it stays sensible beyond the texts that it was fitted to.

    Attributes:
        intercept: of the log odds.
        slopes: (3,) of the columns of `evidence`; the first is at most 0, the others at least 0.
        n: validation texts; 0: nothing was fitted, and the margin's own probability stands.

    Example:
        >>> plain = ExpectedError.of_margins()
        >>> plain(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0]])).round(3)
        array([0.5  , 0.119])
    """

    intercept: float
    slopes: tuple[float, float, float]
    n: int = 0

    @classmethod
    def of_margins(cls) -> ExpectedError:
        """What the margin alone says of itself: `1 / (1 + exp(|margin|))`."""
        return cls(0.0, (-1.0, 0.0, 0.0))

    @classmethod
    def fit(cls, found: Array, wrong: Array, columns: int = 3) -> ExpectedError:
        """From validation texts; `of_margins` where there are too few of them, or too few mistakes.

        Args:
            found: (n, 3) of `evidence`.
            wrong: (n,) bool.
            columns: the first so many columns are used.
        """
        n_wrong = int(wrong.sum())
        if len(wrong) < FEWEST_TEXTS or min(n_wrong, len(wrong) - n_wrong) < FEWEST_OF_EACH:
            return cls.of_margins()
        scale = np.maximum(found.std(0), 1e-9)
        x, y = found / scale, wrong.astype(np.float64)

        def loss(theta: Array) -> tuple[float, Array]:
            z = theta[0] + x @ theta[1:]
            value = np.logaddexp(0.0, z).sum() - y @ z + 0.5 * (theta[1:] ** 2).sum()
            gap = special.expit(z) - y
            return float(value), np.concatenate([[gap.sum()], x.T @ gap + theta[1:]])

        free = [(None, None), (None, 0.0), (0.0, None), (0.0, None)]
        limits = [*free[: 1 + columns], *[(0.0, 0.0)] * (3 - columns)]
        best = optimize.minimize(loss, np.zeros(4), jac=True, bounds=limits, method="L-BFGS-B").x
        slopes = best[1:] / scale
        return cls(float(best[0]), (float(slopes[0]), float(slopes[1]), float(slopes[2])), len(wrong))

    def __call__(self, found: Array) -> Array:
        """(n,) float64 in (0, 1), of `evidence` (n, 3)."""
        chance: Array = special.expit(self.intercept + found @ np.array(self.slopes))
        return np.clip(chance, 1e-12, 1 - 1e-12)

    def report(self, found: Array, wrong: Array) -> dict[str, Any]:
        """How reliable it is on the texts that it was fitted to, each predicted by a fit without its fifth of them.

        Args:
            found: (n, 3) of `evidence`.
            wrong: (n,) bool.
        """
        if not self.n:
            return {"kind": "margin", "texts": len(wrong), "mistakes": int(wrong.sum())}
        full, alone = cross_fitted(found, wrong, 3), cross_fitted(found, wrong, 1)
        return {
            "kind": "calibrated",
            "texts": len(wrong),
            "mistakes": int(wrong.sum()),
            **reliability(full, wrong),
            "margin_alone": reliability(alone, wrong),
        }


def cross_fitted(found: Array, wrong: Array, columns: int) -> Array:
    """Expected errors (n,), each from a fit without its fold; the rows go to the folds in turn."""
    result: Array = np.empty(len(wrong))
    fold = np.arange(len(wrong)) % FOLDS
    for number in range(FOLDS):
        own = fold == number
        result[own] = ExpectedError.fit(found[~own], wrong[~own], columns)(found[own])
    return result


def reliability(errors: Array, wrong: Array, bins: int = 10) -> dict[str, Any]:
    """Brier score with the 95 % t-interval of its mean, and expected calibration error over bins of equal counts."""
    squares = (errors - wrong) ** 2
    half = float(stats.sem(squares) * stats.t.ppf(0.975, len(squares) - 1))
    order = np.argsort(errors, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gap = sum(len(part) * abs(float(errors[part].mean()) - float(wrong[part].mean())) for part in parts)
    brier = float(squares.mean())
    return {"brier": [brier, brier - half, brier + half], "calibration_error": gap / len(errors)}
