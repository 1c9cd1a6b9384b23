from __future__ import annotations

import math

import pytest
import torch

from tests import oracles
from vos.errors import DataError
from vos.metrics.monitor import boundary_brier


def test_half_of_the_number_is_the_band():
    # |margin| is 3, 0.5, 1, 4: half of the texts are the second and the third.
    logits = torch.tensor([[3.0, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 4.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 1])
    probabilities = logits.softmax(-1).tolist()
    overall = oracles.naive_brier(probabilities, labels.tolist())
    near = oracles.naive_brier(probabilities[1:3], [1, 1])
    assert float(boundary_brier(logits, labels, (1,), share=0.5)) == pytest.approx(0.5 * (overall + near))


def test_calibration_far_from_the_boundary_cannot_pay_for_mistakes_at_it():
    # Both classifiers have one wrong text of equal probability; the first has it at the boundary's place in the order.
    labels = torch.tensor([1] * 10)
    near = torch.tensor([[0.0, 5.0]] * 9 + [[1.0, 0.0]])
    far = torch.tensor([[0.0, 0.5]] * 9 + [[1.0, 0.0]])
    assert boundary_brier(near, labels, (1,)) > boundary_brier(far, labels, (1,))


def test_a_model_that_diverged_and_labels_of_no_class_are_named():
    logits, labels = torch.tensor([[3.0, 0.0], [math.nan, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1])
    with pytest.raises(DataError, match="finite logits, found 1 of 3 rows with NaN or infinity, the first is row 1"):
        boundary_brier(logits, labels, (1,))
    with pytest.raises(DataError, match=r"labels in \[0, 2\), found 1"):
        boundary_brier(logits[[0, 2]], torch.tensor([0, 2]), (1,))


def test_half_precision_costs_no_digit(generator):
    logits, labels = torch.randn(40, 2, generator=generator).bfloat16(), torch.arange(40) % 2
    assert float(boundary_brier(logits, labels, (1,))) == float(boundary_brier(logits.float(), labels, (1,)))
