import numpy as np
import pytest
import torch
from scipy import stats

from vos.simulation.error_rates import compare, error_rates, values_by_labels
from vos.types import Example, FeatureBatch


class Margins:
    """A featurizer whose texts are their own margins."""

    def featurize(self, texts):
        logits = torch.tensor([[0.0, float(text)] for text in texts])
        return FeatureBatch(logits, logits)


def test_every_rate_counts_its_own_texts():
    texts = [("-2", 0, 0), ("3", 0, 1), ("0.5", 0, 2), ("-0.5", 1, 3), ("4", 1, None)]
    test = [Example(text, text, label, level=level) for text, label, level in texts]
    assert error_rates(Margins(), test, (1,), 1.0) == pytest.approx(
        {"error": 3 / 5, "error_hard": 1.0, "error_easy": 1 / 2, "error_band": 1.0}
    )


def test_a_rate_over_no_texts_is_left_out():
    assert set(error_rates(Margins(), [Example("a", "5", 1)], (1,), 1.0)) == {"error"}


def rows(errors):
    return [
        {"strategy": strategy, "seed": seed, "round": 1, "labels": 10.0, "error": value}
        for strategy, values in errors.items()
        for seed, value in enumerate(values)
    ]


def test_a_reduction_is_paired_by_seed_and_has_the_interval_of_its_mean():
    errors = {"boundary": [0.1, 0.2, 0.15], "random": [0.2, 0.3, 0.4]}
    found = compare(rows(errors), "error", 1)
    gains = (np.array(errors["random"]) - np.array(errors["boundary"])) / 0.3
    low, high = stats.t.interval(0.95, 2, gains.mean(), gains.std(ddof=1) / np.sqrt(3))
    assert found["reduction"] == pytest.approx(1 - 0.15 / 0.3)
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert (found["boundary"], found["random"]) == pytest.approx((0.15, 0.3))


def test_one_seed_has_no_interval():
    found = compare(rows({"boundary": [0.1], "random": [0.2]}), "error", 1)
    assert found["reduction"] == pytest.approx(0.5)
    assert np.isnan([found["low"], found["high"]]).all()


def test_values_are_grouped_by_the_number_of_labels():
    assert values_by_labels(rows({"random": [0.1, 0.2]}), "error", "random", [0.0, 10.0]) == [[], [0.1, 0.2]]
