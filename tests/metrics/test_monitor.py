from __future__ import annotations

import math

import pytest
import torch

from tests import oracles
from vos.errors import DataError
from vos.metrics.boundary import boundary_report
from vos.metrics.monitor import MONITORS, epoch_metrics, epoch_name


def test_they_are_those_of_the_report_of_a_round_by_other_names(generator):
    logits, labels = torch.randn(40, 3, generator=generator), torch.arange(40) % 3
    found = epoch_metrics(logits, labels)
    report = boundary_report(logits, labels, (1,), 0.5, [None] * 40, [None] * 40)
    assert set(found) == {epoch_name(name) for name in MONITORS}
    for name in MONITORS:
        assert float(found[epoch_name(name)]) == pytest.approx(report[name.removeprefix("boundary/val/")], abs=1e-6)
    assert float(found["val/brier"]) == pytest.approx(oracles.naive_brier(logits.softmax(-1).tolist(), labels.tolist()))


def test_a_model_that_diverged_and_labels_of_no_class_are_named():
    logits, labels = torch.tensor([[3.0, 0.0], [math.nan, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1])
    with pytest.raises(DataError, match="finite logits, found 1 of 3 rows with NaN or infinity, the first is row 1"):
        epoch_metrics(logits, labels)
    with pytest.raises(DataError, match=r"labels in \[0, 2\), found 1"):
        epoch_metrics(logits[[0, 2]], torch.tensor([0, 2]))


def test_half_precision_costs_no_digit(generator):
    logits, labels = torch.randn(40, 2, generator=generator).bfloat16(), torch.arange(40) % 2
    assert epoch_metrics(logits, labels) == epoch_metrics(logits.float(), labels)
