from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.contracts import toy_density, toy_features, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, DataError, ShapeError
from vos.metrics import boundary
from vos.metrics.boundary import (
    band_width,
    boundary_report,
    error_by_level,
    margin,
    outlier_energy_auroc,
    pair_consistency,
    standardized_distance,
    true_class_margin,
)
from vos.types import LinearHead


def test_margin_of_two_classes_has_the_sign_of_harm():
    assert margin(torch.tensor([[1.0, 3.0], [2.0, -1.0]]), (1,)).tolist() == [2.0, -3.0]


def test_margin_of_more_classes_is_the_lead_of_the_winner():
    assert margin(torch.tensor([[1.0, 3.0, 2.5], [4.0, 4.0, 0.0]]), ()).tolist() == [0.5, 0.0]


def test_true_class_margin_is_negative_when_wrong():
    logits = torch.tensor([[1.0, 3.0, 2.5], [4.0, 0.0, 1.0]])
    assert true_class_margin(logits, torch.tensor([2, 0])).tolist() == [-0.5, 3.0]
    two = torch.tensor([[1.0, 3.0]])
    assert true_class_margin(two, torch.tensor([0])).tolist() == [-2.0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_margins_of_half_precision_keep_the_difference(n_classes):
    logits = torch.tensor([[8.0625, 0.0078125, -4.0][:n_classes]], dtype=torch.bfloat16)
    for found in (margin(logits, ()).abs(), true_class_margin(logits, torch.tensor([0]))):
        assert found.dtype == torch.float32
        assert found.item() == 8.0625 - 0.0078125  # bfloat16 would round to 8.0625


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), n_classes=st.integers(2, 5))
def test_moving_by_the_distance_flips_the_prediction(seed, n_classes):
    generator = torch.Generator().manual_seed(seed)
    head = toy_head(n_classes, 4, seed, torch.float64)
    h = torch.randn(4, generator=generator, dtype=torch.float64)
    logits = head.logits(h[None])
    winner, second = logits.topk(2).indices[0].tolist()
    normal = head.weight[winner] - head.weight[second]
    lead = float(margin(logits, ()).abs())
    step = lead / normal.norm() ** 2 * normal
    pair = [winner, second]  # with more classes a third may overtake both on the way
    assert int(head.logits((h - 0.999999 * step)[None])[0, pair].argmax()) == 0
    assert int(head.logits((h - 1.000001 * step)[None])[0, pair].argmax()) == 1


def test_band_width_is_the_margin_of_the_last_text_inside():
    margins = torch.tensor([-4.0, 1.0, 3.0, -2.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0])
    assert band_width(margins, 0.3) == 3.0
    assert band_width(margins) == 1.0
    assert band_width(margins[:3], 0.1) == 1.0  # one text at least
    assert band_width(margins, 1.0) == 15.0
    with pytest.raises(ConfigError, match=r"\(0, 1\]"):
        band_width(margins, 0.0)
    for bad in (torch.zeros(0), torch.zeros(2, 2)):
        with pytest.raises(ShapeError, match="n >= 1"):
            band_width(bad)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_separation_equals_the_literal_form(tied, n_classes, monkeypatch):
    density, head = toy_density(n_classes, 5, tied), toy_head(n_classes, 5, dtype=torch.float64)
    expected = []
    for c in range(n_classes):
        factor = density.cholesky if tied else density.cholesky[c]
        distances = []
        for j in range(n_classes):
            if j != c:
                w = head.weight[c] - head.weight[j]
                gap = w @ density.means[c] + head.bias[c] - head.bias[j]
                distances.append(float(gap.abs() / (w @ factor @ factor.mT @ w).sqrt()))
        expected.append(min(distances))
    assert standardized_distance(density, head, ()).tolist() == pytest.approx(expected)
    monkeypatch.setattr(boundary, "_PAIRS_BLOCK", 3)
    assert standardized_distance(density, head, ()).tolist() == pytest.approx(expected)


def test_separation_does_not_depend_on_the_scale_of_head_or_features():
    features, labels = toy_features(30, 2, 4)
    head = toy_head(2, 4, dtype=torch.float64)
    plain = standardized_distance(ClassConditionalGaussian(2, 4).fit(features, labels), head, (1,))
    scaled_head = LinearHead(7.0 * head.weight, 7.0 * head.bias)
    torch.testing.assert_close(
        standardized_distance(ClassConditionalGaussian(2, 4).fit(features, labels), scaled_head, (1,)), plain
    )
    scaled = ClassConditionalGaussian(2, 4).fit(100.0 * features.double(), labels)
    torch.testing.assert_close(standardized_distance(scaled, LinearHead(head.weight / 100.0, head.bias), (1,)), plain)


def test_separation_of_what_has_no_boundary_is_infinite():
    features, labels = toy_features(10, 2, 4)
    partial = ClassConditionalGaussian(3, 4).fit(features, labels)
    found = standardized_distance(partial, toy_head(3, 4), ())
    assert torch.isfinite(found).tolist() == [True, True, False]
    flat = LinearHead(torch.ones(3, 4), torch.zeros(3))
    assert standardized_distance(partial, flat, ()).tolist() == [math.inf] * 3
    with pytest.raises(ShapeError, match="two classes"):
        standardized_distance(toy_density(1, 4), toy_head(1, 4), ())


def test_pairs_count_only_when_both_texts_are_there():
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    predictions = torch.tensor([0, 1, 0, 0, 1, 0])
    assert pair_consistency(predictions, labels, ["a", "a", "b", "b", "c", None]) == 0.5
    assert pair_consistency(predictions, labels, ["a", "b", "c", "d", "e", None]) is None
    assert pair_consistency(predictions, labels, [None] * 6) is None
    with pytest.raises(ShapeError, match="as many pairs"):
        pair_consistency(predictions, labels, ["a"])


def test_error_by_level_has_the_combinations_that_occur():
    labels = torch.tensor([0, 0, 1, 1, 1])
    predictions = torch.tensor([0, 1, 1, 0, 0])
    assert error_by_level(predictions, labels, [0, 0, 2, 2, None]) == {(0, 0): 0.5, (1, 2): 0.5}
    assert error_by_level(predictions, labels, [None] * 5) == {}
    with pytest.raises(ShapeError, match="as many levels"):
        error_by_level(predictions, labels, [0])


def test_visibility_is_the_auroc_of_the_energy():
    seen = outlier_energy_auroc(torch.tensor([[5.0, 0.0], [0.0, 6.0]]), torch.tensor([[0.0, 0.0], [-1.0, 1.0]]))
    assert float(seen) == 1.0
    same = torch.tensor([[5.0, 0.0], [0.0, 6.0]])
    assert float(outlier_energy_auroc(same, same)) == 0.5


def test_a_report_with_everything_in_it():
    # Margins: -3, -0.5, 0.5, 4, 1, -2; predictions 0 0 1 1 1 0; the second and the fifth are wrong, the last too.
    logits = torch.tensor([[3.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.0, 4.0], [0.0, 1.0], [2.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 1, 0, 1])
    report = boundary_report(logits, labels, (1,), 1.0, [0, 0, 1, 1, None, 1], ["p", "p", "q", None, "q", None])
    probabilities = logits.double().softmax(-1)
    band = [1, 2, 4]
    low, high = boundary.wilson_interval(2, 4)
    assert report == pytest.approx(
        {
            "accuracy": 3 / 6,
            "error": 3 / 6,
            "brier": oracles.naive_brier(probabilities.tolist(), labels.tolist()),
            "ece": oracles.naive_calibration_error(probabilities.tolist(), labels.tolist(), 15),
            "band_share": 3 / 6,
            "band_accuracy": 1 / 3,
            "band_error": 2 / 3,
            "band_brier": oracles.naive_brier(probabilities[band].tolist(), labels[band].tolist()),
            "band_ece": oracles.naive_calibration_error(probabilities[band].tolist(), labels[band].tolist(), 15),
            "average_precision": (1 + 2 / 3 + 3 / 4 + 4 / 5) / 4,
            "recall_at_fpr05": 1 / 4,
            "false_negative_rate": 2 / 4,
            "false_negative_rate_low": low,
            "false_negative_rate_high": high,
            "pair_consistency": 0.0,
            "error_label0_level0": 0.0,
            "error_label1_level0": 1.0,
            "error_label1_level1": 1 / 3,
        }
    )


def test_what_has_no_texts_is_left_out():
    logits, labels = torch.tensor([[3.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 0])
    report = boundary_report(logits, labels, (1,), 0.1, [None, None], [None, None])
    assert sorted(report) == ["accuracy", "band_share", "brier", "ece", "error"]
    assert report["band_share"] == 0.0
    three = torch.tensor([[3.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    report = boundary_report(three, torch.tensor([0, 1]), (), 1.5, [None, None], [None, None])
    assert "false_negative_rate" not in report
    assert report["band_accuracy"] == 1.0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 12), n_classes=st.integers(2, 4), scale=st.sampled_from([1.0, 1e4])
)
def test_no_report_holds_nan(seed, n, n_classes, scale):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, n_classes, generator=generator)
    labels = torch.randint(n_classes, (n,), generator=generator)
    levels = [None if i % 3 == 0 else i % 2 for i in range(n)]
    report = boundary_report(logits, labels, (1,), 0.5, levels, [None if i % 4 == 0 else str(i // 2) for i in range(n)])
    assert all(0.0 <= value <= 1.0 for value in report.values())


def test_logits_that_do_not_fit_are_refused():
    labels = torch.tensor([0])
    for bad in (torch.zeros(2), torch.zeros(2, 1)):
        with pytest.raises(ShapeError, match="C >= 2"):
            margin(bad, (1,))
    with pytest.raises(ShapeError, match=r"and \(1,\)"):
        true_class_margin(torch.zeros(2, 2), labels)
    with pytest.raises(ShapeError, match=r"and \(1,\)"):
        boundary_report(torch.zeros(2, 2), labels, (1,), 1.0, [None], [None])


@pytest.mark.parametrize("wrong", [2, -1, -100])
def test_labels_of_no_class_are_refused(wrong):
    logits, labels = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([0, wrong])
    for call in (true_class_margin, lambda x, y: boundary_report(x, y, (1,), 1.0, [None] * 2, [None] * 2)):
        with pytest.raises(DataError, match=rf"\[0, 2\), found 1 others of 2, the first is {wrong} at row 1"):
            call(logits, labels)
        with pytest.raises(ShapeError, match="int64"):
            call(logits, torch.tensor([0.0, 1.0]))
    assert true_class_margin(logits[:0], torch.tensor([0])[:0]).shape == (0,)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_report_of_a_model_that_diverged_is_refused(broken):
    logits = torch.tensor([[3.0, 0.0], [0.0, broken], [broken, broken]])
    with pytest.raises(
        DataError, match=r"finite logits, found 2 of 3 rows .* the first is row 1: .* lower its learning"
    ):
        boundary_report(logits, torch.tensor([0, 1, 1]), (1,), 1.0, [None] * 3, [None] * 3)
