"""The margin of harmful classes against the others, its class pair and its sides, against hand counts and an oracle."""

import pytest
import torch

from vos.errors import ConfigError
from vos.metrics import boundary_report
from vos.metrics.margins import deciding_pair, harmful_sides, margin, on_harmful_side


def naive_margin(row, harmful):
    """The literal reading, in plain Python."""
    if not harmful:
        first, second = sorted(row, reverse=True)[:2]
        return first - second
    return max(row[c] for c in harmful) - max(x for c, x in enumerate(row) if c not in harmful)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("n_classes", "harmful"), [(2, (0,)), (2, (1,)), (3, (2,)), (3, (0, 2)), (10, (4,)), (10, (0, 9)), (10, ())]
)
def test_margin_pair_side_and_prediction_agree(n_classes, harmful, dtype, generator):
    # Whole numbers in a small range: about half of the rows have ties.
    logits = torch.randint(-2, 3, (500, n_classes), generator=generator).to(dtype)
    found = margin(logits, harmful)
    assert found.dtype == dtype
    assert found.tolist() == [naive_margin(row, harmful) for row in logits.tolist()]
    pair = deciding_pair(logits, harmful)
    assert torch.equal(
        logits.gather(1, pair)[:, 0] - logits.gather(1, pair)[:, 1], found.abs() if not harmful else found
    )
    assert (pair[:, 0] != pair[:, 1]).all()
    if harmful:
        predicted = [row.index(max(row)) in harmful for row in logits.tolist()]  # the first of equal logits
        assert any(m == 0.0 for m in found.tolist())
        assert harmful_sides(found).tolist() == predicted
        assert [on_harmful_side(m) for m in found.tolist()] == predicted
        assert all(c in harmful for c in pair[:, 0].tolist())
        assert not any(c in harmful for c in pair[:, 1].tolist())


def test_the_sign_of_a_zero_survives_half_precision():
    tied = torch.zeros(1, 3, dtype=torch.bfloat16)
    assert [str(float(margin(tied, harmful))) for harmful in ((0,), (1,), (1, 2))] == ["0.0", "-0.0", "-0.0"]


@pytest.mark.parametrize("harmful", [(0, 1, 2), (3,), (-1,), (1, 1)])
def test_harmful_classes_that_cannot_be(harmful):
    with pytest.raises(ConfigError, match="expected some of the classes 0 to 2, not all"):
        margin(torch.zeros(1, 3), harmful)


THREE = torch.tensor([[4.0, 1.0, 0.0], [3.0, 1.0, 2.5], [0.0, 2.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 3.0]])
TRUTH = torch.tensor([0, 2, 2, 2, 1])


@pytest.mark.parametrize(
    ("harmful", "missed", "of", "in_band"),
    [
        # margins of class 2 against the rest: -4, -0.5, -1, -1, 2
        ((2,), 3, 3, 3),
        # of 1 and 2 against 0: -3, -0.5, 2, -0.5, 3; the third text takes one harm for another, which is no miss
        ((1, 2), 2, 4, 2),
        # of 0 against 1 and 2: 3, 0.5, -2, 0.5, -3
        ((0,), 0, 1, 2),
        # the largest less the second largest: 3, 0.5, 1, 0.5, 2
        ((), None, None, 3),
    ],
)
def test_a_report_of_three_classes(harmful, missed, of, in_band):
    report = boundary_report(THREE, TRUTH, harmful, 1.0, [None] * 5, [None] * 5)
    assert report["accuracy"] == pytest.approx(1 / 5)
    assert report["band_share"] == pytest.approx(in_band / 5)
    assert ("false_negative_rate" in report) == (missed is not None)
    if missed is not None:
        assert report["false_negative_rate"] == pytest.approx(missed / of)


def test_a_report_of_ten_classes():
    logits, labels = torch.eye(10) * 3.0, torch.tensor([0, 1, 2, 3, 4, 5, 6, 8, 9, 7])
    report = boundary_report(logits, labels, (7, 8, 9), 0.1, [None] * 10, [None] * 10)
    assert report["accuracy"] == pytest.approx(7 / 10)
    assert report["false_negative_rate"] == 0.0  # every harmful text is taken for another harmful class
    report = boundary_report(logits, labels, (7,), 0.1, [None] * 10, [None] * 10)
    assert report["false_negative_rate"] == 1.0
