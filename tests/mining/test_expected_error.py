"""The expected error, on simulated texts with a known distribution, and against scikit-learn."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from vos.density import ClassConditionalGaussian
from vos.errors import DataError, ShapeError
from vos.mining.error_inputs import ErrorInputs, LabelledNeighbours
from vos.mining.expected_error import ExpectedError, calibrated_error, reliability
from vos.types import FeatureBatch, LinearHead

TRUTH = (-1.0, 0.4, 0.6, 2.5)
"""Intercept, far, near, disagree."""


def simulated(n, seed=0, truth=TRUTH, unit=1.0):
    """Inputs of n texts, the true probability of a mistake of each, and whether it is one."""
    draw = np.random.default_rng(seed)
    margins = draw.normal(scale=3.0, size=n)
    beyond, disagreement = draw.uniform(size=n), draw.integers(11, size=n) / 10
    a, far, near, disagree = truth
    log_odds = a - np.abs(margins) * (far + near * beyond) + disagree * disagreement
    p = 1.0 / (1.0 + np.exp(-log_odds))
    return ErrorInputs(margins * unit, beyond, disagreement), p, draw.uniform(size=n) < p


def fit(inputs, wrong, **options):
    return ExpectedError.fit(inputs.margins, inputs.beyond, inputs.disagreement, wrong, **options)


def test_the_law_of_simulated_texts_is_found():
    # 4,000 texts: the mean distance to the truth was 0.009 on average, and 0.023 at most in 300 simulations.
    inputs, _, wrong = simulated(4000)
    fresh, p, _ = simulated(4000, seed=1)
    assert 0.15 < wrong.mean() < 0.35
    found = fit(inputs, wrong)
    assert found.is_calibrated
    assert (found.n, found.mistakes) == (4000, int(wrong.sum()))
    assert np.abs(found.of(fresh) - p).mean() < 0.03
    alone = fit(ErrorInputs(inputs.margins, np.zeros(4000), np.zeros(4000)), wrong)
    assert np.abs(alone.of(fresh) - p).mean() > 0.06  # the margin alone does not find it


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_it_is_the_logistic_regression_of_scikit_learn_where_no_sign_is_wrong(unit):
    inputs, _, wrong = simulated(600, unit=unit)
    size = np.abs(inputs.margins)
    rows = np.column_stack([size, size * inputs.beyond, inputs.disagreement])
    scaled = rows / np.sqrt((rows**2).mean(0))
    oracle = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(scaled, wrong)
    assert (oracle.coef_[0] * [-1, -1, 1] > 0).all()
    np.testing.assert_allclose(
        fit(inputs, wrong, penalty=2.0).of(inputs), oracle.predict_proba(scaled)[:, 1], atol=1e-5
    )


@pytest.mark.parametrize("truth", [TRUTH, (-1.0, -0.3, -0.5, -2.0), (0.5, 0.0, 0.0, 0.0)])
def test_it_falls_with_the_margin_and_rises_with_distance_and_disagreement_whatever_the_texts_say(truth):
    inputs, _, wrong = simulated(300, truth=truth)
    found = fit(inputs, wrong)
    for beyond in (0.0, 0.5, 1.0):
        for disagreement in (0.0, 1.0):
            sizes = np.linspace(0.0, 1000.0, 400)
            along = found(sizes, np.full(400, beyond), np.full(400, disagreement))
            assert (np.diff(along) <= 0).all()
            assert ((along > 0.0) & (along < 1.0)).all()
            np.testing.assert_array_equal(along, found(-sizes, np.full(400, beyond), np.full(400, disagreement)))
    grid = np.linspace(0.0, 1.0, 50)
    assert (np.diff(found(np.full(50, 4.0), grid, np.full(50, 0.5))) <= 0).all()  # nearer, then less
    assert (np.diff(found(np.full(50, 4.0), np.full(50, 0.5), grid)) >= 0).all()


def test_the_order_of_texts_does_not_matter():
    inputs, _, wrong = simulated(500)
    order = np.random.default_rng(1).permutation(500)
    first, second = fit(inputs, wrong), fit(inputs.at(order), wrong[order])
    np.testing.assert_allclose(first.of(inputs)[order], second.of(inputs.at(order)), rtol=1e-5)


@pytest.mark.parametrize(
    ("n", "mistakes", "said"),
    [(49, 20, "49 held-out texts"), (80, 0, "0 mistakes"), (80, 80, "80 mistakes"), (0, 0, "0")],
)
def test_too_few_texts_leave_the_margin_uncalibrated(n, mistakes, said, caplog):
    inputs, _, _ = simulated(n)
    wrong = np.arange(n) < mistakes
    with caplog.at_level(logging.WARNING):
        found = fit(inputs, wrong)
    assert said in found.reason
    assert said in caplog.text
    assert not found.is_calibrated
    fresh, _, _ = simulated(30, seed=2)
    np.testing.assert_allclose(found.of(fresh), 1.0 / (1.0 + np.exp(np.abs(fresh.margins))), rtol=1e-12)
    assert fit(simulated(50)[0], np.arange(50) < 20).is_calibrated


def test_the_state_is_json():
    inputs, _, wrong = simulated(200)
    for found in (fit(inputs, wrong), ExpectedError.of_margins()):
        again = ExpectedError.from_dict(json.loads(json.dumps(found.as_dict())))
        assert again == found
        np.testing.assert_array_equal(again.of(inputs), found.of(inputs))


def test_inputs_are_checked():
    inputs, _, wrong = simulated(60)
    good = (inputs.margins, inputs.beyond, inputs.disagreement)
    with pytest.raises(ShapeError, match=r"expected margins, beyond and disagreement \(n,\)"):
        ExpectedError.fit(good[0][:-1], *good[1:], wrong)
    with pytest.raises(ShapeError, match="as many of wrong"):
        ExpectedError.fit(*good, wrong[:-1])
    for place, value in ((0, np.nan), (0, np.inf), (1, 1.1), (1, np.nan), (2, -0.1)):
        spoilt = [each.copy() for each in good]
        spoilt[place][7] = value
        with pytest.raises(DataError, match="expected finite margins"):
            ExpectedError.of_margins()(*spoilt)


def test_reliability_tells_an_honest_error_from_an_overconfident_margin():
    # 1,000 texts whose margins say too much: e to the -|margin| where the truth has a fifth of it. With these sizes the
    # gaps are some ten standard errors.
    inputs, p, wrong = simulated(1000, truth=(-0.5, 0.1, 0.3, 1.5))
    found = reliability(inputs, wrong, resamples=200)
    assert (found["n"], found["mistakes"], found["folds"]) == (1000, int(wrong.sum()), 5)
    brier, ece = ({name: found[name][key] for name in PREDICTORS} for key in ("brier", "ece"))
    ideal = brier_score_loss(wrong, p)
    assert brier["expected_error"][0] == pytest.approx(ideal, abs=0.01)
    assert brier["expected_error"][1] < ideal < brier["expected_error"][2]
    assert ece["expected_error"][2] < ece["uncalibrated"][1]
    assert brier["expected_error"][0] < brier["margin"][0] < brier["uncalibrated"][0]
    gain = found["brier_gain"]
    assert gain[0] == pytest.approx(brier["margin"][0] - brier["expected_error"][0], abs=1e-12)
    assert 0.0 < gain[1] < gain[0] < gain[2]
    assert found == reliability(inputs, wrong, resamples=200)
    assert found != reliability(inputs, wrong, resamples=200, seed=1)


PREDICTORS = ("expected_error", "margin", "uncalibrated")


def test_each_text_is_judged_by_a_fit_to_the_others():
    # The disagreement is noise: a fit that saw the texts it is judged on would gain from it.
    inputs, _, _ = simulated(60)
    wrong = np.random.default_rng(3).permutation(60) < 20
    gains = [reliability(inputs, wrong, resamples=2, seed=seed)["brier_gain"][0] for seed in range(20)]
    seen = fit(inputs, wrong).of(inputs)
    crossed = np.mean(
        [reliability(inputs, wrong, resamples=2, seed=s)["expected_error"]["brier"][0] for s in range(20)]
    )
    assert np.mean(gains) < 0.0
    assert crossed > brier_score_loss(wrong, seen)


def test_reliability_needs_two_of_each_kind():
    inputs, _, _ = simulated(60)
    assert reliability(inputs, np.arange(60) < 1) is None
    assert reliability(inputs, np.arange(60) < 59) is None
    assert reliability(inputs, np.arange(60) < 3, resamples=2)["folds"] == 3


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (1,)), (5, (1, 3)), (5, ())])
def test_from_held_out_texts_to_a_report(n_classes, harmful):
    draw = torch.Generator().manual_seed(0)
    means = torch.randn(n_classes, 6, generator=draw)
    labels = torch.arange(400) % n_classes
    features = means[labels] + torch.randn(400, 6, generator=draw)
    logits = LinearHead(means, -0.5 * means.square().sum(1)).logits(features)
    train, held_out = slice(0, 200), slice(200, 400)
    density = ClassConditionalGaussian(n_classes, 6).fit(features[train], labels[train])
    neighbours = LabelledNeighbours.of(features[train], labels[train], harmful, n_classes)
    batch = FeatureBatch(features[held_out], logits[held_out], labels[held_out])
    error, report = calibrated_error(batch, density, harmful, neighbours)
    assert error.is_calibrated
    assert report["reliability"]["n"] == report["n"] == 200
    assert json.loads(json.dumps(report)) == report
    values = error.of(ErrorInputs.of(batch, density, harmful, neighbours))
    assert values.mean() == pytest.approx(error.mistakes / 200, abs=1e-4)  # an intercept without penalty
    none = FeatureBatch(features[:0], logits[:0], labels[:0])
    error, report = calibrated_error(none, density, harmful, neighbours)
    assert (error.is_calibrated, report["reliability"]) == (False, None)
    with pytest.raises(DataError, match="with labels"):
        calibrated_error(FeatureBatch(features, logits), density, harmful, neighbours)
