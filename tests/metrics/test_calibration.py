from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from tests import oracles
from vos.errors import ConfigError, DataError, ShapeError
from vos.metrics.calibration import accuracy, brier, expected_calibration_error, wilson_interval


def predictions(n: int, n_classes: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)).softmax(-1)
    return probabilities, torch.randint(n_classes, (n,), generator=generator)


def test_accuracy_counts():
    value = accuracy(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 0, 2]))
    assert value.dtype == torch.float64
    assert float(value) == 0.75


@pytest.mark.parametrize("n_classes", [2, 4])
def test_brier_equals_the_literal_sum_and_sklearn(n_classes):
    probabilities, labels = predictions(30, n_classes)
    value = float(brier(probabilities, labels))
    assert value == pytest.approx(oracles.naive_brier(probabilities.tolist(), labels.tolist()))
    if n_classes == 2:
        assert value == pytest.approx(brier_score_loss(labels.numpy(), probabilities[:, 1].numpy()))
    certain = torch.nn.functional.one_hot(labels, n_classes).double()
    assert float(brier(certain, labels)) == 0.0
    assert float(brier(certain.roll(1, 1), labels)) == 1.0


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_calibration_error_equals_the_literal_sum_and_torchmetrics(n_classes, bins):
    probabilities, labels = predictions(200, n_classes)
    value = float(expected_calibration_error(probabilities, labels, bins))
    assert value == pytest.approx(oracles.naive_calibration_error(probabilities.tolist(), labels.tolist(), bins))
    theirs = multiclass_calibration_error(probabilities, labels, n_classes, n_bins=bins, norm="l1")
    assert value == pytest.approx(float(theirs), abs=1e-6)


def test_certainty_falls_in_the_last_bin():
    probabilities = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(expected_calibration_error(probabilities, torch.tensor([0, 1]), bins=3)) == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 400), share=st.floats(0, 1), confidence=st.sampled_from([0.05, 0.5, 0.95, 0.999]))
def test_wilson_equals_scipy_and_stays_in_the_unit_interval(n, share, confidence):
    k = round(share * n)
    low, high = wilson_interval(k, n, confidence)
    theirs = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high, abs=1e-12))
    assert 0.0 <= low <= k / n <= high <= 1.0


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 5), (6, 5), (1, 5, 0.0), (1, 5, 1.0)])
def test_counts_that_are_none_are_refused(arguments):
    with pytest.raises(ConfigError, match="0 <= k <= n"):
        wilson_interval(*arguments)


@pytest.mark.parametrize("metric", [brier, expected_calibration_error])
def test_what_are_no_probabilities_is_refused(metric):
    good = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    labels = torch.tensor([0, 1])
    for bad in (good[0], good[:1], good[:0]):
        with pytest.raises(ShapeError, match=r"\(n, C\)"):
            metric(bad, labels if len(bad) else labels[:0])
    with pytest.raises(ShapeError, match="sum to one"):
        metric(2 * good, labels)
    with pytest.raises(ShapeError, match="sum to one"):
        metric(torch.tensor([[-0.5, 1.5], [0.5, 0.5]]), labels)


@pytest.mark.parametrize("metric", [brier, expected_calibration_error])
def test_labels_of_no_class_and_broken_rows_are_refused(metric):
    good = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    for wrong in (2, 5, -1, -100):
        with pytest.raises(DataError, match=rf"\[0, 2\), found 1 others of 2, the first is {wrong} at row 1"):
            metric(good, torch.tensor([0, wrong]))
    with pytest.raises(ShapeError, match="int64"):
        metric(good, torch.tensor([0.0, 1.0]))
    with pytest.raises(DataError, match="expected finite probabilities, found 1 of 2 rows"):
        metric(torch.tensor([[0.5, 0.5], [math.nan, 0.1]]), torch.tensor([0, 1]))


def test_bins_and_lengths_are_checked():
    with pytest.raises(ConfigError, match="one bin"):
        expected_calibration_error(torch.tensor([[0.5, 0.5]]), torch.tensor([0]), bins=0)
    with pytest.raises(ShapeError, match="n >= 1"):
        accuracy(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        accuracy(torch.zeros(2), torch.zeros(3))
