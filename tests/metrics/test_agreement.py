import logging

import pytest
import torch

from vos.metrics.agreement import below_chance, report_below_chance


def logits_of(predicted, n_classes):
    return torch.nn.functional.one_hot(torch.tensor(predicted), n_classes).float()


def test_mixed_up_classes_are_below_chance():
    labels = [0, 1, 2] * 5
    assert below_chance(logits_of([1, 2, 0] * 5, 3), torch.tensor(labels)) == pytest.approx((0.0, 1 / 3))


@pytest.mark.parametrize("predicted", [[0] * 20, [1] * 20, [0, 1] * 10, [0, 0, 1, 1] * 5])
def test_agreement_and_one_answer_for_all_are_not(predicted):
    labels = torch.tensor([0, 1] * 10)
    assert below_chance(logits_of(predicted, 2), labels) is None


def test_an_untrained_classifier_is_reported_seldom(generator):
    """2000 sets of 100 texts: 2.5 standard errors are passed by 0.62 % of them, 12.4 sets; 35 or more once in 10^6."""
    predicted = torch.randint(2, (2000, 100), generator=generator)
    labels = torch.randint(2, (2000, 100), generator=generator)
    reported = sum(
        below_chance(logits_of(p.tolist(), 2), truth) is not None for p, truth in zip(predicted, labels, strict=True)
    )
    assert reported < 35


def test_no_texts_say_nothing():
    assert below_chance(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)) is None


def test_the_report_is_an_error_in_one_line(caplog):
    with caplog.at_level(logging.INFO):
        report_below_chance(logits_of([1, 0] * 10, 2), torch.tensor([0, 1] * 10), ("safe", "harm"), "validation")
        report_below_chance(logits_of([0, 1] * 10, 2), torch.tensor([0, 1] * 10), ("safe", "harm"), "validation")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "LESS THAN CHANCE: accuracy 0.000, 0.500 by chance" in record.getMessage()
