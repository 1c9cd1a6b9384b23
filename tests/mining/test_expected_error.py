"""The expected error against simulated laws, and the limits it keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vos.density import ClassConditionalGaussian
from vos.mining.expected_error import (
    ExpectedError,
    LabelledTexts,
    cross_fitted,
    evidence,
    mistakes,
    reliability,
)
from vos.types import FeatureBatch


def simulated(n, seed, slopes=(-1.5, 0.4, 2.0), intercept=0.3):
    draw = np.random.default_rng(seed)
    found = np.stack([draw.exponential(1.5, n), draw.exponential(1.0, n), draw.integers(0, 11, n) / 10], 1)
    chance = 1 / (1 + np.exp(-(intercept + found @ np.array(slopes))))
    return found, draw.random(n) < chance, chance


def test_a_known_law_is_found_again():
    """n = 20,000: coefficients within 5 standard errors of some 0.03 (fails in one of a million)."""
    found, wrong, chance = simulated(20_000, 0)
    fitted = ExpectedError.fit(found, wrong)
    assert fitted.n == 20_000
    assert fitted.intercept == pytest.approx(0.3, abs=0.2)
    assert fitted.slopes == pytest.approx((-1.5, 0.4, 2.0), abs=0.2)
    assert np.abs(fitted(found) - chance).mean() < 0.01


def test_where_the_signs_are_free_it_is_plain_ridge_regression():
    found, wrong, _ = simulated(400, 1)
    fitted = ExpectedError.fit(found, wrong)
    scale = found.std(0)
    plain = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(found / scale, wrong)
    assert fitted.slopes == pytest.approx(tuple(plain.coef_[0] / scale), abs=1e-3)
    assert fitted.intercept == pytest.approx(float(plain.intercept_[0]), abs=1e-3)


def test_signs_hold_whatever_the_texts_say():
    found, wrong, _ = simulated(500, 2, slopes=(1.0, -1.0, -2.0))
    fitted = ExpectedError.fit(found, wrong)
    assert fitted.slopes == (0.0, 0.0, 0.0)
    assert fitted(found) == pytest.approx(wrong.mean(), abs=0.01)


def test_the_chance_falls_with_the_margin_and_stays_between_zero_and_one():
    found, wrong, _ = simulated(1000, 3)
    fitted = ExpectedError.fit(found, wrong)
    grid = np.stack([np.linspace(0, 1000, 300), np.full(300, 6.9), np.ones(300)], 1)
    chances = fitted(grid)
    assert (np.diff(chances) <= 0).all()
    assert ((chances > 0) & (chances < 1)).all()


@pytest.mark.parametrize(("n", "n_wrong"), [(0, 0), (49, 20), (200, 4), (200, 196)])
def test_too_few_texts_leave_the_margin_alone(n, n_wrong):
    found = np.random.default_rng(0).random((n, 3))
    wrong = np.arange(n) < n_wrong
    fitted = ExpectedError.fit(found, wrong)
    assert fitted == ExpectedError.of_margins()
    assert fitted(found) == pytest.approx(1 / (1 + np.exp(found[:, 0])))
    assert fitted.report(found, wrong) == {"kind": "margin", "texts": n, "mistakes": n_wrong}


def test_the_order_of_the_texts_changes_nothing():
    found, wrong, _ = simulated(300, 4)
    one, other = ExpectedError.fit(found, wrong), ExpectedError.fit(found[::-1], wrong[::-1])
    assert one.slopes == pytest.approx(other.slopes, rel=1e-4)


def test_reliability_is_told_of_texts_that_the_fit_has_not_seen():
    found, wrong, _ = simulated(600, 5)
    report = ExpectedError.fit(found, wrong).report(found, wrong)
    errors = cross_fitted(found, wrong, 3)
    fold = np.arange(600) % 5
    again = ExpectedError.fit(found[fold != 2], wrong[fold != 2])(found[fold == 2])
    assert errors[fold == 2] == pytest.approx(again)
    assert report["brier"][0] == pytest.approx(float(((errors - wrong) ** 2).mean()))
    assert report["brier"][0] < report["margin_alone"]["brier"][0]
    assert report["kind"] == "calibrated"
    assert (report["texts"], report["mistakes"]) == (600, int(wrong.sum()))


def test_calibration_error_of_a_constant_is_its_distance_from_the_truth():
    wrong = np.arange(100) % 4 == 0
    told = reliability(np.full(100, 0.35), wrong, bins=1)
    assert told["calibration_error"] == pytest.approx(0.1)
    assert told["brier"][0] == pytest.approx(0.25 * 0.65**2 + 0.75 * 0.35**2)


def test_disagreement_is_the_share_of_the_nearest_on_another_side():
    known = LabelledTexts.of(
        torch.tensor([[2.0, 0.0], [5.0, 0.1], [0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2, 2])
    )
    asked, predicted = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([1, 1])
    assert known.disagreement(asked, predicted, (1, 2)).tolist() == [0.25, 0.25]  # all four are the nearest ten
    assert known.disagreement(asked, predicted, ()).tolist() == [0.75, 0.75]
    assert LabelledTexts.of(torch.empty(0, 2), torch.empty(0).long()).disagreement(asked, predicted, ()).tolist() == [
        0,
        0,
    ]


def test_mistakes_are_sides_and_where_none_is_harmful_classes():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0], [0.0, 1.0, 2.0]])
    labels = torch.tensor([2, 1, 2])
    assert mistakes(logits, labels, (1, 2)).tolist() == [False, True, False]
    assert mistakes(logits, labels, ()).tolist() == [True, True, False]


def test_evidence_of_a_text_is_its_margin_its_distance_and_its_neighbours():
    draw = np.random.default_rng(0)
    labels = torch.arange(60) % 2
    features = torch.from_numpy(draw.normal(size=(60, 3))).float() + 3 * labels[:, None]
    density = ClassConditionalGaussian(2, 3).fit(features[:40], labels[:40])
    density.calibrate(features[40:], labels[40:])
    logits = torch.stack([-features.sum(1), features.sum(1)], 1) / 4
    batch = FeatureBatch(features, logits)
    known = LabelledTexts.of(features[:40], labels[:40])
    found = evidence(batch, density, (1,), known)
    predicted = logits.argmax(1)
    assert found[:, 0] == pytest.approx((logits[:, 1] - logits[:, 0]).abs().numpy(), rel=1e-5)
    beyond = density.share_beyond(density.mahalanobis(features)[torch.arange(60), predicted], predicted)
    assert found[:, 1] == pytest.approx(-beyond.clamp_min(1e-3).log().numpy(), rel=1e-6)
    assert found[:, 2] == pytest.approx(known.disagreement(features, predicted, (1,)).numpy())
    chunks = [
        evidence(FeatureBatch(features[i : i + 7], logits[i : i + 7]), density, (1,), known) for i in range(0, 60, 7)
    ]
    assert np.concatenate(chunks) == pytest.approx(found, rel=1e-5)


def test_a_class_without_a_gaussian_is_far_from_everything():
    features = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    density = ClassConditionalGaussian(3, 3).fit(features, torch.arange(30) % 2)
    logits = torch.tensor([[0.0, 0.0, 5.0]]).expand(4, 3)
    found = evidence(FeatureBatch(features[:4], logits), density, (), LabelledTexts.of(features, torch.arange(30) % 2))
    assert np.isfinite(found).all()
    assert found[:, 1] == pytest.approx(np.log(1000.0))
