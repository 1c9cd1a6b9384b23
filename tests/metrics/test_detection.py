from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_curve

from vos.errors import ConfigError, DataError, ShapeError
from vos.metrics.boundary import boundary_report
from vos.metrics.detection import average_precision, detection_report, recall_at_fpr

# Few distinct values, so that ties within and across the sides are the rule.
MARGINS = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0, 4.0]), min_size=1, max_size=60)


def recall_by_roc(harmless, harmful, fpr):
    """The highest point of the ROC curve whose false positives, as counts, are within `fpr` of the harmless texts."""
    truth, scores = [0] * len(harmless) + [1] * len(harmful), [*harmless, *harmful]
    found, caught, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(caught[np.rint(found * len(harmless)) <= math.floor(fpr * len(harmless) + 1e-9)].max())


@settings(max_examples=200, deadline=None)
@given(harmless=MARGINS, harmful=MARGINS, fpr=st.sampled_from([0.0, 0.05, 0.1, 0.3]))
def test_both_are_those_of_scikit_learn_under_ties(harmless, harmful, fpr):
    truth, scores = [0] * len(harmless) + [1] * len(harmful), np.array([*harmless, *harmful])
    sides = torch.tensor(harmless, dtype=torch.float64), torch.tensor(harmful, dtype=torch.float64)
    assert float(average_precision(*sides)) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert float(recall_at_fpr(*sides, fpr)) == pytest.approx(recall_by_roc(harmless, harmful, fpr), abs=1e-12)


@pytest.mark.parametrize("n", [20, 40, 60, 100, 140, 300, 1000])
def test_five_percent_of_a_round_number_is_not_one_text_off(n):
    # Harmful texts lie between the harmless ones: above the m-th largest harmless one lie m harmful ones.
    harmless, harmful = torch.arange(n).double(), torch.arange(n).double() + 0.5
    assert float(recall_at_fpr(harmless, harmful)) == pytest.approx((n // 20 + 1) / n)


def test_closed_forms():
    # Two harmless and two harmful texts in the order +, -, +, -: precision 1 at the first, 2/3 at the second.
    harmless, harmful = torch.tensor([2.0, 0.0]), torch.tensor([3.0, 1.0])
    assert float(average_precision(harmless, harmful)) == pytest.approx(5 / 6)
    assert float(recall_at_fpr(harmless, harmful)) == 0.5
    # One margin for all: precision is the share of harm; at the threshold all would be flagged, so none is.
    one = torch.zeros(3), torch.zeros(1)
    assert float(average_precision(*one)) == pytest.approx(0.25)
    assert float(recall_at_fpr(*one)) == 0.0


def test_a_tie_at_the_threshold_counts_as_not_found():
    # 5 % of 40 is 2 texts. Three harmless texts share the margin 5 with two harmful ones: flagging it flags three.
    harmless = torch.tensor([5.0] * 3 + [0.0] * 37)
    assert float(recall_at_fpr(harmless, torch.tensor([6.0, 5.0, 5.0, 1.0]))) == 0.25
    assert float(recall_at_fpr(harmless[1:], torch.tensor([6.0, 5.0, 5.0, 1.0]))) == 0.25  # 5 % of 39 is one text
    two = torch.tensor([5.0] * 2 + [0.0] * 38)
    assert float(recall_at_fpr(two, torch.tensor([6.0, 5.0, 5.0, 1.0]))) == 1.0


def test_harmful_classes_are_told_from_the_rest(generator):
    logits, labels = torch.randn(200, 4, generator=generator), torch.arange(200) % 4
    found = detection_report(logits, labels, (1, 3))
    z = logits.numpy()
    margins = np.maximum(z[:, 1], z[:, 3]) - np.maximum(z[:, 0], z[:, 2])
    truth = np.isin(labels.numpy(), [1, 3])
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, margins), abs=1e-6)
    expected = recall_by_roc(margins[~truth].tolist(), margins[truth].tolist(), 0.05)
    assert found["recall_at_fpr05"] == pytest.approx(expected, abs=1e-6)
    report = boundary_report(logits, labels, (1, 3), 0.5, [None] * 200, [None] * 200)
    assert {name: report[name] for name in found} == found


@pytest.mark.parametrize(("harmful", "classes"), [((), (0, 1)), ((1,), (0,)), ((1,), (1,))])
def test_they_are_absent_where_they_are_not_defined(harmful, classes, generator):
    labels = torch.tensor(classes * 6)
    logits = torch.randn(len(labels), 2, generator=generator)
    assert detection_report(logits, labels, harmful) == {}
    report = boundary_report(logits, labels, harmful, 0.5, [None] * len(labels), [None] * len(labels))
    assert not {"average_precision", "recall_at_fpr05"} & set(report)
    assert not any(math.isnan(value) for value in report.values())


def test_what_cannot_be_measured_is_refused():
    some = torch.zeros(3)
    for metric in (average_precision, recall_at_fpr):
        with pytest.raises(ShapeError):
            metric(some, torch.zeros(0))
        with pytest.raises(DataError, match="NaN"):
            metric(some, torch.tensor([math.nan]))
    with pytest.raises(ConfigError, match=r"fpr in \[0, 1\), got 1.0"):
        recall_at_fpr(some, some, 1.0)
    with pytest.raises(DataError, match=r"labels in \[0, 2\)"):
        detection_report(torch.zeros(2, 2), torch.tensor([0, 2]), (1,))
    with pytest.raises(DataError, match="finite logits"):
        detection_report(torch.tensor([[0.0, 0.0], [math.inf, 0.0]]), torch.tensor([0, 1]), (1,))


def test_half_precision_ties_no_more_than_the_logits_do(generator):
    logits, labels = torch.randn(60, 2, generator=generator).bfloat16(), torch.arange(60) % 2
    assert detection_report(logits, labels, (1,)) == detection_report(logits.float(), labels, (1,))
