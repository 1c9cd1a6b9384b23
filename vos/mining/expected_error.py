"""The probability that a prediction is a mistake, from its margin, its distance and nearby labelled texts.

Most mistakes have a small margin. Confident mistakes occur where the classifier has seen little: far from its training
texts, or among training texts of the other side. The weights of these inputs are fitted to held-out texts.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from vos.density import GaussianDensity
from vos.errors import DataError, ShapeError
from vos.metrics.calibration import brier, expected_calibration_error
from vos.mining.error_inputs import Array, ErrorInputs, LabelledNeighbours, wrong_side
from vos.types import FeatureBatch

logger = logging.getLogger(__name__)

SMALLEST = 1e-12
"""Expected errors are kept this far from 0 and 1, because no prediction is certain."""


@dataclass(frozen=True)
class ExpectedError:
    """The probability that a prediction is a mistake.

    `sigmoid(intercept - |margin| · (far + near · beyond) + disagree · disagreement)`: a margin counts less for a text
    that is far away, and `far`, `near` and `disagree` are never negative. So the expected error decreases with the
    margin and increases with distance and disagreement, inside and outside the range of the fitted texts. With the
    defaults it is the uncalibrated value: the smaller of the two probabilities of a softmax over two classes.

    Attributes:
        intercept: log-odds of a mistake at the boundary, if all nearby labelled texts are on the predicted side.
        far: decrease of the log-odds per logit of margin for a text that is farther away than all others.
        near: additional decrease for a text that is nearer than all others.
        disagree: increase of the log-odds if all nearby labelled texts are on the other side.
        n: number of texts it was fitted to; 0 if it was not fitted.
        mistakes: number of mistakes among them.
        reason: why it was not fitted; "" if it was.

    Example:
        >>> ExpectedError.of_margins()(np.array([-2.0, 0.0]), np.zeros(2), np.zeros(2)).round(3)
        array([0.119, 0.5  ])
    """

    intercept: float = 0.0
    far: float = 1.0
    near: float = 0.0
    disagree: float = 0.0
    n: int = 0
    mistakes: int = 0
    reason: str = "not fitted"

    @classmethod
    def of_margins(cls, reason: str = "no held-out texts") -> Self:
        """The uncalibrated probability from the margin, if there are no texts to calibrate on."""
        return cls(reason=reason)

    @classmethod
    def fit(
        cls,
        margins: Array,
        beyond: Array,
        disagreement: Array,
        wrong: NDArray[np.bool_],
        penalty: float = 1.0,
        fewest: int = 50,
    ) -> Self:
        """Fit to held-out texts, to which neither encoder nor density nor head was fitted.

        Logistic regression with sign constraints, which make the expected error monotone, and an L2 penalty on the
        coefficients except the intercept. With too few texts, or if none or all of them are mistakes, the result is
        `of_margins`, with a message in the log.

        Args:
            margins: (n,) see `ErrorInputs`.
            beyond: (n,) see `ErrorInputs`.
            disagreement: (n,) see `ErrorInputs`.
            wrong: (n,) which predictions are mistakes, see `wrong_side`.
            penalty: strength of the L2 penalty, `penalty / 2` times the squared coefficients, for inputs scaled to a
                root mean square of one; 1 is the default of scikit-learn.
            fewest: smallest number of texts to fit to.

        Raises:
            ShapeError: an argument is not (n,).
            DataError: a value that is NaN or infinite, or a share outside [0, 1].
        """
        rows = _checked(margins, beyond, disagreement)
        n, mistakes = len(wrong), int(np.sum(wrong))
        if rows.shape[0] != n:
            raise ShapeError(f"expected as many of wrong as of margins, got {n} and {rows.shape[0]}")
        if n < max(fewest, 2) or mistakes in (0, n):
            reason = f"{n} held-out texts, {mistakes} mistakes: it takes {fewest} texts, right ones and wrong ones"
            logger.warning("expected error: %s; the probability of the margin is used as it is", reason)
            return cls.of_margins(reason)
        return cls(*_logistic(rows, np.asarray(wrong, dtype=np.float64), penalty), n, mistakes, "")

    @property
    def is_calibrated(self) -> bool:
        """Whether it was fitted to held-out texts."""
        return self.n > 0

    def __call__(self, margins: Array, beyond: Array, disagreement: Array) -> Array:
        """Expected errors (n,) float64 in (0, 1) of texts, see `ErrorInputs`; raises as `fit` does."""
        rows = _checked(margins, beyond, disagreement)
        found = expit(self.intercept + rows @ np.array([self.far, self.near, self.disagree]))
        return np.asarray(np.clip(found, SMALLEST, 1.0 - SMALLEST), dtype=np.float64)

    def of(self, inputs: ErrorInputs) -> Array:
        """Expected errors (n,) of texts."""
        return self(inputs.margins, inputs.beyond, inputs.disagreement)

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Restore from the state of `as_dict`."""
        return cls(**state)


def calibrated_error(
    held_out: FeatureBatch, density: GaussianDensity, harmful: Sequence[int], neighbours: LabelledNeighbours
) -> tuple[ExpectedError, dict[str, Any]]:
    """Fit the expected error to held-out texts, and evaluate it.

    Args:
        held_out: labelled texts to which neither the encoder nor the head nor the density was fitted; may be empty.
        density: fitted to the training texts.
        harmful: indices of the harmful classes; () if no class is harmful.
        neighbours: index of the training texts.

    Returns:
        the expected error, and for the report its state with its `reliability`, which is None if it was not fitted.

    Raises:
        DataError: held-out texts without labels.
    """
    if held_out.labels is None:
        raise DataError("expected held-out texts with labels, got none of them")
    inputs = ErrorInputs.of(held_out, density, harmful, neighbours)
    wrong = wrong_side(held_out.logits, held_out.labels, harmful)
    error = ExpectedError.fit(inputs.margins, inputs.beyond, inputs.disagreement, wrong)
    return error, error.as_dict() | {"reliability": reliability(inputs, wrong) if error.is_calibrated else None}


def reliability(
    inputs: ErrorInputs,
    wrong: NDArray[np.bool_],
    folds: int = 5,
    resamples: int = 500,
    seed: int = 0,
    penalty: float = 1.0,
) -> dict[str, Any] | None:
    """Evaluate the calibration of the expected error on held-out texts by cross-validation.

    Args:
        inputs: inputs of n held-out texts, see `ErrorInputs`.
        wrong: (n,) which predictions are mistakes.
        folds: number of folds; fewer if there are fewer mistakes.
        resamples: number of bootstrap resamples for the intervals.
        seed: seed of the folds and resamples.
        penalty: see `ExpectedError.fit`.

    Returns:
        `n`, `mistakes`, `folds`; for `expected_error`, `margin` (calibrated in the same way on the margin alone) and
        `uncalibrated` (the margin as it is, `ExpectedError.of_margins`) the Brier score `brier` and the expected
        calibration error `ece`, both lower is better; and `brier_gain`, the Brier score of the margin alone minus that
        of the expected error. Each is `[value, low, high]` with a 95 % interval (reflected bootstrap). None if fewer
        than two texts are mistakes, or fewer than two are not.
    """
    n, mistakes = len(wrong), int(np.sum(wrong))
    folds = min(folds, mistakes, n - mistakes)
    if folds < 2:
        return None
    alone = ErrorInputs(inputs.margins, np.zeros(n), np.zeros(n))
    predicted = {"uncalibrated": ExpectedError.of_margins().of(alone)}
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(n), wrong))
    for name, given in (("expected_error", inputs), ("margin", alone)):
        predicted[name] = np.empty(n)
        for others, part in splits:
            rest = given.at(others)
            fitted = ExpectedError.fit(rest.margins, rest.beyond, rest.disagreement, wrong[others], penalty, fewest=2)
            predicted[name][part] = fitted.of(given.at(part))
    labels = torch.from_numpy(np.asarray(wrong, dtype=np.int64))
    tables = {name: torch.from_numpy(np.column_stack([1.0 - e, e])) for name, e in predicted.items()}
    report: dict[str, Any] = {"n": n, "mistakes": mistakes, "folds": folds}
    scores = {}
    for name, table in tables.items():
        draw = np.random.default_rng(seed)  # the same resamples for each, so that differences are paired
        drawn = (torch.from_numpy(draw.integers(n, size=n)) for _ in range(resamples))
        values = np.array([_scores(table[rows], labels[rows]) for rows in itertools.chain([torch.arange(n)], drawn)])
        scores[name] = values[:, 0]
        report[name] = {"brier": _interval(values[:, 0]), "ece": _interval(values[:, 1])}
    return report | {"brier_gain": _interval(scores["margin"] - scores["expected_error"], least=-1.0)}


def _scores(probabilities: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    return float(brier(probabilities, labels)), float(expected_calibration_error(probabilities, labels))


def _interval(values: Array, least: float = 0.0) -> list[float]:
    """The first value, and its 95 % interval from the others, its bootstrap resamples."""
    # Resampling biases a calibration error upwards, as sampling already did; reflecting the interval corrects this. It
    # is widened to contain the value.
    value, (low, high) = float(values[0]), np.quantile(values[1:], (0.025, 0.975))
    return [value, max(least, 2.0 * value - max(value, float(high))), min(1.0, 2.0 * value - min(value, float(low)))]


def _checked(margins: Array, beyond: Array, disagreement: Array) -> Array:
    """The inputs as columns (n, 3) of a logistic model with non-negative coefficients."""
    columns = [np.asarray(each, dtype=np.float64) for each in (margins, beyond, disagreement)]
    if columns[0].ndim != 1 or len({each.shape for each in columns}) != 1:
        raise ShapeError(f"expected margins, beyond and disagreement (n,), got {[each.shape for each in columns]}")
    size, beyond, disagreement = np.abs(columns[0]), columns[1], columns[2]
    shares = np.concatenate([beyond, disagreement])
    if not np.isfinite(size).all() or not ((shares >= 0.0) & (shares <= 1.0)).all():
        raise DataError("expected finite margins, and shares beyond and disagreements in [0, 1]")
    return np.stack([-size, -size * beyond, disagreement], 1)


def _logistic(rows: Array, wrong: Array, penalty: float) -> tuple[float, float, float, float]:
    """Fit intercept and non-negative coefficients for rows (n, 3)."""
    # scikit-learn's regression has no bounds; with a wrong sign the expected error would grow with the margin.
    scale = np.sqrt(np.square(rows).mean(0))
    scale[scale == 0.0] = 1.0
    design = np.column_stack([np.ones(len(rows)), rows / scale])
    weights = penalty * np.array([0.0, 1.0, 1.0, 1.0])

    def loss(at: Array) -> tuple[float, Array]:
        log_odds = design @ at
        value = np.logaddexp(0.0, log_odds).sum() - wrong @ log_odds + 0.5 * weights @ np.square(at)
        return float(value), design.T @ (expit(log_odds) - wrong) + weights * at

    start = np.array([np.log(wrong.sum() / (len(wrong) - wrong.sum())), 0.0, 0.0, 0.0])
    bounds = [(None, None), (0.0, None), (0.0, None), (0.0, None)]
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    far, near, disagree = (found[1:] / scale).tolist()
    return float(found[0]), far, near, disagree
