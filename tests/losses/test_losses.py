from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests import oracles
from tests.contracts import check_loss
from tests.losses.batches import LABELS, LOGITS, OUTLIERS, batch
from vos.errors import ConfigError, DataError, ShapeError
from vos.losses import (
    BoundaryFlattening,
    EnergyFlattening,
    EnergyMargin,
    EnergyUncertainty,
    ExtraClass,
    FeatureUncertainty,
)

LOSSES = [
    lambda: EnergyUncertainty(3),
    lambda: EnergyUncertainty(3, phi="mlp"),
    lambda: BoundaryFlattening(3, id_margin=2.0),
    lambda: EnergyMargin(3, m_in=-3.0, m_out=-1.0),
    lambda: EnergyFlattening(3, m_in=-3.0),
    lambda: FeatureUncertainty(3, n_features=5, width=16),
    lambda: ExtraClass(3, n_features=5),
]


@pytest.mark.parametrize("make", LOSSES)
def test_behaves_as_every_loss(make):
    check_loss(make)


def test_the_mlp_depends_on_its_seed_alone():
    first, same, other = (EnergyUncertainty(2, "mlp", seed=s).phi[0].weight for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_flattening_equals_the_literal_formula():
    for id_margin in (0.0, 2.0):
        expected = oracles.naive_flattening(LOGITS, LABELS, OUTLIERS, id_margin)
        assert float(BoundaryFlattening(2, id_margin)(*batch())) == pytest.approx(expected)


def test_each_side_of_flattening_is_zero_where_it_is_content():
    content = batch(logits=[[3.0, 0.0], [-2.0, 0.5]], labels=[0, 1], outliers=[[1.0, 1.0], [-7.0, -7.0]])
    assert float(BoundaryFlattening(2, 2.0)(*content)) == pytest.approx(0.0, abs=1e-15)
    wrong = batch(logits=[[0.0, 1.0]], labels=[0], outliers=[[1.0, 1.0]])
    assert float(BoundaryFlattening(2, 2.0)(*wrong)) == pytest.approx(0.5 * 3.0**2)


@pytest.mark.parametrize("m", [0.0, 0.5, -3.0])
def test_an_outlier_pulls_with_tanh_of_half_its_margin(m):
    # The claim of the module's docstring: value log cosh(m/2), slope tanh(m/2) / 2, zero at the boundary itself.
    logits, features, labels, _, _ = batch(logits=[[5.0, 0.0]], labels=[0])
    margin = torch.tensor(m, dtype=torch.float64, requires_grad=True)
    outlier = torch.stack([-margin / 2, margin / 2])[None]
    value = BoundaryFlattening(2, 0.0)(logits, features, labels, outlier, features)
    value.backward()
    assert float(value.detach()) == pytest.approx(0.5 * math.log(math.cosh(m / 2)))
    assert float(margin.grad) == pytest.approx(0.5 * math.tanh(m / 2) / 2)


def test_training_through_a_head_reaches_encoder_head_weights_and_phi():
    # What peers break (a fresh weight a call, energies through lists, heads that the optimizer does not hold).
    generator = torch.Generator().manual_seed(0)
    for loss in (EnergyUncertainty(2), BoundaryFlattening(2, 5.0)):
        encoder, head = nn.Linear(3, 4), nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in (*encoder.parameters(), *head.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        features = encoder(torch.randn(6, 3, generator=generator))
        outliers = torch.randn(5, 4, generator=generator)
        loss(head(features), features, torch.arange(6) % 2, head(outliers), outliers).backward()
        for parameter in (*encoder.parameters(), *head.parameters(), *loss.parameters()):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: EnergyUncertainty(0),
        lambda: EnergyUncertainty(2, phi="tree"),
        lambda: BoundaryFlattening(1, 1.0),
        lambda: BoundaryFlattening(2, -1.0),
        lambda: EnergyMargin(2, m_in=1.0, m_out=0.0),
        lambda: EnergyMargin(2, in_quantile=0.9, out_quantile=0.5),
        lambda: EnergyMargin(2, in_quantile=-0.1),
        lambda: EnergyMargin(2, out_quantile=1.1),
        lambda: EnergyMargin(2, outlier_weight=-1.0),
        lambda: EnergyFlattening(1),
        lambda: EnergyFlattening(2, in_quantile=1.5),
        lambda: EnergyFlattening(2, outlier_weight=-1.0),
        lambda: FeatureUncertainty(2, n_features=0),
        lambda: FeatureUncertainty(2, n_features=3, width=0),
        lambda: ExtraClass(2, n_features=0),
    ],
)
def test_settings_that_cannot_work_are_refused(call):
    with pytest.raises(ConfigError, match="expected"):
        call()


def test_feature_uncertainty_is_the_cross_entropy_of_its_mlp():
    loss = FeatureUncertainty(2, n_features=4, width=8).double()
    logits, features, labels, outliers, outlier_features = batch()
    features, outlier_features = features + 1.0, outlier_features - 1.0
    p_text = loss.mlp(features).softmax(-1)[:, 1].log().mean()
    p_outlier = loss.mlp(outlier_features).softmax(-1)[:, 0].log().mean()
    value = loss(logits, features, labels, outliers, outlier_features)
    torch.testing.assert_close(value, -0.5 * (p_text + p_outlier))
    other_logits = loss(logits + 5.0, features, labels, outliers - 5.0, outlier_features)
    torch.testing.assert_close(other_logits, value)  # what the head says does not matter


def test_feature_uncertainty_sees_what_two_logits_cannot():
    # Outliers on a shell around the texts: no direction tells them apart, their norm does. 60 steps of plain Adam.
    generator = torch.Generator().manual_seed(0)
    texts = torch.randn(200, 4, generator=generator)
    outliers = torch.nn.functional.normalize(torch.randn(200, 4, generator=generator), dim=1) * 5.0
    logits, labels = torch.zeros(200, 2), torch.zeros(200).long()
    loss = FeatureUncertainty(2, n_features=4, width=64)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits, texts, labels, logits, outliers).backward()
        optimizer.step()
    assert loss(logits, texts, labels, logits, outliers).item() < 0.2 < math.log(2)


def test_the_extra_class_is_one_more_logit():
    loss = ExtraClass(2, n_features=4).double()
    with torch.no_grad():
        loss.outlier_logit.weight.fill_(0.5)
        loss.outlier_logit.bias.fill_(-1.0)
    logits, features, labels, outliers, outlier_features = batch()
    features, outlier_features = features + 0.3, outlier_features - 0.2
    expected = oracles.naive_extra_class(LOGITS, LABELS, OUTLIERS, [0.5 * 1.2 - 1.0] * 3, [-0.5 * 0.8 - 1.0] * 2)
    assert loss(logits, features, labels, outliers, outlier_features).item() == pytest.approx(expected)


@pytest.mark.parametrize("make", [lambda: EnergyUncertainty(2), lambda: BoundaryFlattening(2, 1.0)])
def test_batches_that_do_not_fit_are_refused(make):
    good = list(batch())
    loss = make().double()
    for place in range(5):
        bad = list(good)
        bad[place] = bad[place][..., :1] if place in (0, 3) else bad[place][:1]
        with pytest.raises(ShapeError, match=r"logits \(b, 2\)"):
            loss(*bad)
    with pytest.raises(ShapeError, match="m >= 1"):
        loss(*good[:3], good[3][:0], good[4][:0])


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize(
    ("labels", "count", "first"),
    [
        ([0, 3, 1], 1, "3 at row 1"),
        ([-1, 2, 0], 1, "-1 at row 0"),
        ([-100] * 3, 3, "-100 at row 0"),
        ([2, 0, 7], 1, "7 at row 2"),
    ],
)
def test_no_loss_takes_a_label_that_is_no_class(make, labels, count, first, generator):
    logits, features = torch.randn(3, 3, generator=generator), torch.randn(3, 5, generator=generator)
    loss = make()
    loss(logits, features, torch.tensor([0, 1, 2]), logits, features)
    with pytest.raises(DataError, match=rf"\[0, 3\), found {count} others of 3, the first is {first}"):
        loss(logits, features, torch.tensor(labels), logits, features)
    for wrong in (torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([0.0, 1.0, 2.0])):
        with pytest.raises(ShapeError, match="int64"):
            loss(logits, features, wrong, logits, features)
