from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests import oracles
from vos.errors import ConfigError, DataError, ShapeError
from vos.metrics.ood import aupr, auroc, fpr_at_tpr, fpr_at_tpr_ood

# Few distinct values, so that ties within and across the sides are the rule; infinities included.
SCORES = st.lists(st.sampled_from([-math.inf, -2.0, 0.0, 0.5, 1.0, 3.0, math.inf]), min_size=1, max_size=25)
METRICS = [auroc, aupr, fpr_at_tpr, fpr_at_tpr_ood]


def both(x, y):
    return torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)


@settings(max_examples=150, deadline=None)
@given(x=SCORES, y=SCORES, tpr=st.sampled_from([0.05, 0.07, 0.5, 0.8, 0.95, 1.0]))
def test_all_equal_the_literal_definitions(x, y, tpr):
    assert float(auroc(*both(x, y))) == pytest.approx(oracles.naive_auroc(x, y))
    assert float(aupr(*both(x, y))) == pytest.approx(oracles.naive_average_precision(x, y))
    assert float(fpr_at_tpr(*both(x, y), tpr)) == oracles.naive_fpr_at_tpr(x, y, tpr)
    assert float(fpr_at_tpr_ood(*both(x, y), tpr)) == oracles.naive_fpr_at_tpr_ood(x, y, tpr)


@settings(max_examples=50, deadline=None)
@given(x=SCORES, y=SCORES, seed=st.integers(0, 100))
def test_order_is_all_that_counts(x, y, seed):
    a, b = both(x, y)
    generator = torch.Generator().manual_seed(seed)
    shuffled = a[torch.randperm(len(a), generator=generator)], b[torch.randperm(len(b), generator=generator)]
    for metric in METRICS:
        value = float(metric(a, b))
        assert float(metric(*shuffled)) == pytest.approx(value)
        assert float(metric(a.atan(), b.atan())) == pytest.approx(value)
        assert float(metric(1e8 + 1e6 * a, 1e8 + 1e6 * b)) == pytest.approx(value)


def test_auroc_equals_sklearn(generator):
    x, y = torch.randn(80, generator=generator).double(), torch.randn(50, generator=generator).double() + 0.7
    labels = [0] * 80 + [1] * 50
    assert float(auroc(x, y)) == pytest.approx(roc_auc_score(labels, torch.cat([x, y]).numpy()))


def test_large_scores_are_not_squashed():
    # torchmetrics takes a sigmoid of scores outside [0, 1]: these would tie at 1.
    assert float(auroc(torch.tensor([100.0, 101.0]), torch.tensor([102.0, 103.0]))) == 1.0


def test_the_two_readings_of_fpr95_differ():
    # 100 ID texts at 0..99 and OOD texts at 90..189. Accepting 95 % of ID puts t at 94: 5 of 100 OOD texts pass.
    # Catching 95 % of OOD puts t at 95: 5 of 100 ID texts are rejected.
    x, y = torch.arange(100.0), torch.arange(90.0, 190.0)
    assert float(fpr_at_tpr(x, y)) == pytest.approx(0.05)
    assert float(fpr_at_tpr_ood(x, y)) == pytest.approx(0.05)
    # With half of OOD at the top the readings part.
    y = torch.cat([torch.arange(50.0) - 100.0, torch.arange(50.0) + 200.0])
    assert float(fpr_at_tpr(x, y)) == pytest.approx(0.5)
    assert float(fpr_at_tpr_ood(x, y)) == pytest.approx(1.0)


def test_a_product_that_rounds_up_costs_no_text():
    # 0.07 * 100 = 7.000000000000001: seven ID texts are enough, and the OOD text at 6.5 is below the eighth.
    x = torch.arange(100.0)
    assert float(fpr_at_tpr(x, torch.tensor([6.5]), tpr=0.07)) == 0.0


def test_identical_laws_give_the_level(generator):
    # n = 20,000 on each side, 5 sigma: the share accepted has standard error sqrt(2 * 0.95 * 0.05 / 20000) = 0.0022.
    x, y = torch.randn(20_000, generator=generator), torch.randn(20_000, generator=generator)
    assert abs(float(fpr_at_tpr(x, y)) - 0.95) < 5 * 0.0022
    assert abs(float(fpr_at_tpr_ood(x, y)) - 0.95) < 5 * 0.0022
    assert abs(float(auroc(x, y)) - 0.5) < 5 * 0.0029  # sqrt((2 n + 1) / (12 n²))


@pytest.mark.parametrize("metric", METRICS)
def test_dtype_follows_and_bad_scores_are_refused(metric):
    good = torch.tensor([0.0, 1.0])
    assert metric(good, good.double()).dtype == torch.float32
    assert metric(good.double(), good).dtype == torch.float64
    assert metric(good.requires_grad_(), good).shape == ()
    for bad in (torch.zeros(0), torch.zeros(2, 2), torch.zeros(2).long()):
        with pytest.raises(ShapeError, match="n >= 1"):
            metric(bad, good)
        with pytest.raises(ShapeError, match="n >= 1"):
            metric(good, bad)
    with pytest.raises(DataError, match="1 in"):
        metric(good, torch.tensor([0.0, torch.nan]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_scores_of_half_precision_lose_no_digit_of_the_metric(metric, half, generator):
    x, y = torch.randn(500, generator=generator).to(half), (torch.randn(500, generator=generator) + 2.0).to(half)
    found = metric(x, y)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(metric(x.double(), y.double())), rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_a_column_of_a_table_of_scores_gives_no_warning(metric, generator):
    table = torch.randn(30, 2, generator=generator, dtype=torch.float64)
    assert float(metric(table[:, 0], table[:, 1])) == float(metric(*table.T.clone()))


@pytest.mark.parametrize("tpr", [0.0, 1.1, math.nan])
def test_a_level_outside_its_range_is_refused(tpr):
    with pytest.raises(ConfigError, match=r"\(0, 1\]"):
        fpr_at_tpr(torch.zeros(2), torch.zeros(2), tpr)
