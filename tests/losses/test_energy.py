"""The losses on the energy: the learned one, the hinges and their thresholds."""

from __future__ import annotations

import math

import pytest
import torch

from tests import oracles
from tests.losses.batches import LABELS, LOGITS, OUTLIERS, batch
from vos.errors import ConfigError, DataError, NotFittedError, ShapeError
from vos.losses import EnergyFlattening, EnergyMargin, EnergyUncertainty


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.4, 2.0], [1.5, -0.3]])
def test_energy_uncertainty_equals_the_literal_formula(weights):
    loss = EnergyUncertainty(2).double()
    with torch.no_grad():
        loss.class_weights.copy_(torch.tensor(weights))
        loss.phi.weight.copy_(torch.tensor([[0.3], [-0.7]]))
        loss.phi.bias.copy_(torch.tensor([0.1, 0.4]))
    expected = oracles.naive_energy_uncertainty(LOGITS, OUTLIERS, weights, [0.3, -0.7], [0.1, 0.4])
    assert loss(*batch()).detach().item() == pytest.approx(expected)


def test_phi_without_weights_knows_nothing():
    loss = EnergyUncertainty(2).double()
    with torch.no_grad():
        loss.phi.weight.zero_()
    assert loss(*batch()).detach().item() == pytest.approx(math.log(2))


def test_the_start_is_oriented_texts_have_high_negative_energy():
    loss = EnergyUncertainty(2).double()
    torch.testing.assert_close(loss.negative_energy(batch()[0]), torch.logsumexp(batch()[0], -1))
    scores = loss.phi(loss.negative_energy(batch()[0])[:, None])
    torch.testing.assert_close(scores[:, 1] - scores[:, 0], loss.negative_energy(batch()[0]))
    apart = loss(*batch(logits=[[9.0, 0.0]], labels=[0], outliers=[[-9.0, -9.0]]))
    swapped = loss(*batch(logits=[[-9.0, -9.0]], labels=[0], outliers=[[9.0, 0.0]]))
    assert apart < 0.01 < 5.0 < swapped


def test_a_class_of_weight_zero_does_not_count_however_large_its_logit():
    loss = EnergyUncertainty(2)
    with torch.no_grad():
        loss.class_weights.copy_(torch.tensor([0.5, -1.0]))
    logits = torch.tensor([[1.0, 1e4]], requires_grad=True)
    value = loss.negative_energy(logits)
    value.backward()
    assert value.item() == pytest.approx(1.0 + math.log(0.5))
    assert logits.grad.tolist() == [[1.0, 0.0]]
    assert loss.class_weights.grad.tolist() == [2.0, 0.0]


def test_when_no_weight_is_positive_the_energy_is_plain():
    loss = EnergyUncertainty(2)
    with torch.no_grad():
        loss.class_weights.fill_(-1.0)
    logits = torch.tensor(LOGITS)
    torch.testing.assert_close(loss.negative_energy(logits), torch.logsumexp(logits, -1))


@pytest.mark.parametrize("diverged", [[0], [0, 1]])
def test_a_weight_that_diverged_makes_the_loss_nan(diverged):
    loss = EnergyUncertainty(2).double()
    with torch.no_grad():
        loss.class_weights[diverged] = math.nan
    assert loss(*batch()).isnan()


def test_one_step_raises_the_energy_of_outliers_and_lowers_that_of_texts():
    logits, features, labels, outliers, outlier_features = batch()
    logits.requires_grad_()
    outliers.requires_grad_()
    loss = EnergyUncertainty(2).double()
    loss(logits, features, labels, outliers, outlier_features).backward()
    with torch.no_grad():
        before = loss.negative_energy(logits), loss.negative_energy(outliers)
        after = loss.negative_energy(logits - 0.1 * logits.grad), loss.negative_energy(outliers - 0.1 * outliers.grad)
    assert (after[0] > before[0]).all()  # negative energy up: energy of texts down
    assert (after[1] < before[1]).all()


def test_energy_margin_equals_the_literal_hinges():
    expected = oracles.naive_energy_margin(LOGITS, OUTLIERS, -1.2, -0.9)
    assert float(EnergyMargin(2, m_in=-1.2, m_out=-0.9)(*batch())) == pytest.approx(expected)
    EnergyMargin(2, m_in=-1.0, m_out=-1.0)  # one threshold for both sides is allowed
    # Each hinge alone, by hand: energies are -log(2) + shift for equal logits.
    content = batch(logits=[[9.0, 9.0]], labels=[0], outliers=[[-9.0, -9.0]])
    assert float(EnergyMargin(2, m_in=-5.0, m_out=5.0)(*content)) == 0.0
    one = batch(logits=[[0.0, 0.0]], labels=[0], outliers=[[-9.0, -9.0]])
    assert float(EnergyMargin(2, m_in=-2.0, m_out=5.0)(*one)) == pytest.approx(0.5 * (2.0 - math.log(2)) ** 2)
    other = batch(logits=[[9.0, 9.0]], labels=[0], outliers=[[0.0, 0.0]])
    assert float(EnergyMargin(2, m_in=-5.0, m_out=1.0)(*other)) == pytest.approx(0.5 * (1.0 + math.log(2)) ** 2)


def test_thresholds_that_are_not_given_are_calibrated(generator):
    loss = EnergyMargin(2, in_quantile=0.25, out_quantile=0.75)
    assert not loss.is_calibrated
    with pytest.raises(NotFittedError, match="thresholds"):
        loss.ood_loss(*batch()[3:])
    logits = torch.randn(9, 2, generator=generator)
    energies = sorted(-math.log(math.exp(a) + math.exp(b)) for a, b in logits.tolist())
    loss.calibrate(logits)
    assert loss.thresholds.tolist() == pytest.approx([energies[2], energies[6]])
    again = EnergyMargin(2)
    again.load_state_dict(loss.state_dict())
    assert again.is_calibrated
    assert float(again(*batch())) == float(loss(*batch()))
    half = EnergyMargin(2, m_in=-9.0)
    half.calibrate(logits)
    assert half.thresholds[0] == -9.0
    assert float(half.thresholds[1]) == pytest.approx(energies[8])  # the 99 % quantile of nine texts is the last
    with pytest.raises(ConfigError, match="give both"):
        EnergyMargin(2, m_in=50.0).calibrate(logits)


def test_without_outlier_weight_the_texts_alone_count():
    logits, features, labels, outlier_logits, outlier_features = batch()
    with_both = EnergyMargin(2, m_in=-1.2, m_out=-0.9)
    alone = EnergyMargin(2, m_in=-1.2, m_out=-0.9, outlier_weight=0.0)
    expected = 0.5 * float(with_both.id_loss(logits, features, labels))
    assert float(alone(logits, features, labels, outlier_logits, outlier_features)) == pytest.approx(expected)
    double = EnergyMargin(2, m_in=-1.2, m_out=-0.9, outlier_weight=2.0)
    found = double.ood_loss(outlier_logits, outlier_features)
    assert float(found) == pytest.approx(2 * float(with_both.ood_loss(outlier_logits, outlier_features)))


def test_energy_flattening_is_a_side_of_each():
    hinge = oracles.naive_energy_margin(LOGITS, OUTLIERS, -1.2, -1e9)  # no outlier is below the second threshold
    divergence = oracles.naive_flattening(LOGITS, LABELS, OUTLIERS, -1e9)  # no text is asked for a margin
    assert hinge > 0.0
    assert divergence > 0.0
    for weight in (0.0, 0.2, 3.0):
        loss = EnergyFlattening(2, m_in=-1.2, outlier_weight=weight)
        assert float(loss(*batch())) == pytest.approx(hinge + weight * divergence)


def test_energy_flattening_calibrates_its_threshold_and_keeps_it(generator):
    loss, logits = EnergyFlattening(2, in_quantile=0.25), torch.randn(9, 2, generator=generator)
    assert not loss.is_calibrated
    loss.calibrate(logits)
    energies = sorted(-math.log(math.exp(a) + math.exp(b)) for a, b in logits.tolist())
    assert float(loss.texts.thresholds[0]) == pytest.approx(energies[2])
    again = EnergyFlattening(2)
    again.load_state_dict(loss.state_dict())
    assert again.is_calibrated
    assert float(again(*batch())) == float(loss(*batch()))


@pytest.mark.parametrize("make", [EnergyMargin, EnergyFlattening])
def test_thresholds_keep_their_digits_whatever_the_loss_is_cast_to(make, generator):
    given = make(2, m_in=-7.31)
    logits = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    given.calibrate(logits)
    measured = make(2)
    measured.calibrate(logits)
    energies = sorted(-math.log(math.exp(a) + math.exp(b)) for a, b in logits.tolist())
    for loss in (given, measured):
        part = loss.texts if isinstance(loss, EnergyFlattening) else loss
        before = part.thresholds.tolist()
        loss.bfloat16().half().to(torch.float32)
        assert part.thresholds.dtype == torch.float64
        assert part.thresholds.tolist() == before
        assert before[0] == pytest.approx(-7.31 if loss is given else energies[4], rel=1e-14)


def test_a_refused_calibration_leaves_the_thresholds_unknown(generator):
    loss = EnergyMargin(2, m_in=50.0)
    with pytest.raises(ConfigError, match="give both"):
        loss.calibrate(torch.randn(9, 2, generator=generator))
    assert not loss.is_calibrated
    assert loss.thresholds[0] == 50.0
    with pytest.raises(ConfigError, match="give both"):
        loss(*batch())


@pytest.mark.parametrize("make", [EnergyMargin, EnergyFlattening])
def test_nothing_is_calibrated_on_no_logits_or_on_broken_ones(make):
    for bad in (torch.zeros(0, 2), torch.zeros(4, 3), torch.zeros(4)):
        with pytest.raises(ShapeError, match=r"expected logits \(n, 2\) of at least one training text"):
            make(2).calibrate(bad)
    loss = make(2)
    for broken in (math.nan, math.inf):
        with pytest.raises(DataError, match="logits of the training texts, found 1 of 2 rows"):
            loss.calibrate(torch.tensor([[0.0, 1.0], [0.0, broken]]))
    assert not loss.is_calibrated


@pytest.mark.parametrize("make", [EnergyMargin, EnergyFlattening])
def test_without_calibration_the_first_batch_serves_and_that_is_said_once(make, caplog):
    logits, *rest = batch()
    loss, calibrated = make(2), make(2)
    calibrated.calibrate(logits)
    logits.requires_grad_()
    for shift in (0.0, 1.0):
        assert loss(logits + shift, *rest).item() == calibrated(logits + shift, *rest).item()
    loss(logits, *rest).backward()
    assert logits.grad.abs().sum() > 0.0
    assert not any(buffer.requires_grad for buffer in loss.buffers())
    energies = sorted(-math.log(math.exp(a) + math.exp(b)) for a, b in LOGITS)
    named = f"m_in={energies[1]:.4g}" + (f", m_out={energies[2]:.4g}" if make is EnergyMargin else "")
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{make.__name__}({named}) was calibrated on the 3 texts of one batch")
    assert named in repr(loss)
