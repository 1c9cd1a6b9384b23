from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import oracles
from tests.contracts import check_score, toy_density, toy_features
from vos.density import ClassConditionalGaussian, neighbors
from vos.errors import ConfigError, NotFittedError, ShapeError
from vos.scores import (
    energy,
    knn,
    mahalanobis,
    max_logit,
    msp,
    relative_mahalanobis,
    standardized_sum,
    weighted_energy,
)

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [5.0, 4.0, 1.0], [0.3, 0.2, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize("score", [msp, max_logit, energy, lambda x: weighted_energy(x, x.new_tensor([0.5, 1.0, 2.0]))])
def test_scores_of_logits_behave_as_every_score(score):
    # Halved logits are less confident, and smaller where the largest is positive.
    check_score(score, LOGITS, LOGITS / 2)
    check_score(score, LOGITS.float(), LOGITS.float() / 2)
    for extreme in (1e4, -1e4):
        assert torch.isfinite(score(torch.tensor([[extreme, 0.0, 0.0], [extreme] * 3]))).all()
    with pytest.raises(ShapeError, match="logits"):
        score(torch.zeros(3))
    with pytest.raises(ShapeError, match="int64"):
        score(torch.zeros(3, 2).long())


@pytest.mark.parametrize("tied", [True, False])
def test_scores_of_features_behave_as_every_score(tied):
    density = toy_density(2, 4, tied)
    features = toy_features(40, 2, 4)[0]
    rows = features[:5]
    check_score(lambda h: mahalanobis(density, h), rows, rows + 50.0)
    check_score(lambda h: knn(h, features[5:], k=3, normalize=False), rows, rows + 50.0)
    check_score(lambda h: knn(h, features[5:], k=3), rows, -rows)


def test_relative_mahalanobis_behaves_as_every_score():
    # Far out along the line of the class means both distances grow; the background's variance is the larger there, so
    # its distance grows the slower.
    features, labels = toy_features(40, 2, 4)
    density = ClassConditionalGaussian(2, 4, "empirical").fit(features, labels)
    background = ClassConditionalGaussian(1, 4, "empirical").fit(features, torch.zeros_like(labels))
    further = features[:5] + 50.0 * (density.means[1] - density.means[0]).float()
    check_score(lambda h: relative_mahalanobis(density, background, h), features[:5], further)


def test_closed_forms():
    torch.testing.assert_close(msp(LOGITS), 1.0 - LOGITS.softmax(-1).amax(-1))
    assert max_logit(LOGITS).tolist() == [-2.0, -5.0, -0.3]
    expected = [-math.log(sum(math.exp(x) for x in row)) for row in LOGITS.tolist()]
    np.testing.assert_allclose(energy(LOGITS), expected)
    halves = [-2.0 * math.log(sum(math.exp(x / 2.0) for x in row)) for row in LOGITS.tolist()]
    np.testing.assert_allclose(energy(LOGITS, temperature=2.0), halves)


def test_shifts_and_limits():
    torch.testing.assert_close(energy(LOGITS + 3.0), energy(LOGITS) - 3.0)
    torch.testing.assert_close(msp(LOGITS + 3.0), msp(LOGITS))
    torch.testing.assert_close(energy(LOGITS, temperature=1e-4), max_logit(LOGITS))
    assert msp(torch.zeros(1, 4)).item() == pytest.approx(0.75)


def test_confident_texts_keep_their_order():
    # In float32, 1 - softmax is 0 for both.
    confident = msp(torch.tensor([[40.0, 0.0], [30.0, 0.0]]))
    torch.testing.assert_close(confident, torch.tensor([-40.0, -30.0]).exp())


def test_mahalanobis_is_the_nearest_ready_class():
    density = toy_density(3, 4)
    h = toy_features(3, 3, 4, seed=2)[0]
    cov = (density.cholesky @ density.cholesky.mT).numpy()[None].repeat(3, 0)
    naive = oracles.naive_mahalanobis(h.double().numpy(), density.means.numpy(), cov)
    np.testing.assert_allclose(mahalanobis(density, h), naive.min(1))
    features, labels = toy_features(10, 2, 4)
    partial = ClassConditionalGaussian(3, 4).fit(features, labels)
    assert torch.isfinite(mahalanobis(partial, h)).all()
    with pytest.raises(NotFittedError):
        mahalanobis(ClassConditionalGaussian(3, 4), h)


def test_relative_mahalanobis_takes_the_background_away():
    features, labels = toy_features(40, 2, 4)
    density = ClassConditionalGaussian(2, 4).fit(features, labels)
    background = ClassConditionalGaussian(1, 4).fit(features, torch.zeros_like(labels))
    expected = density.mahalanobis(features).min(1).values - background.mahalanobis(features)[:, 0]
    torch.testing.assert_close(relative_mahalanobis(density, background, features), expected)
    # With the class density as its own background nothing is left.
    torch.testing.assert_close(relative_mahalanobis(background, background, features), torch.zeros(80).double())
    with pytest.raises(ConfigError, match="one class, got 2"):
        relative_mahalanobis(background, density, features)


@pytest.mark.parametrize("k", [1, 4, 30])
def test_knn_equals_sorting_all_distances(k, monkeypatch):
    features, bank = toy_features(4, 2, 5)[0], toy_features(15, 2, 5, seed=1)[0]
    plain = oracles.naive_knn(features.double().numpy(), bank.double().numpy(), k)
    np.testing.assert_allclose(knn(features, bank, k, normalize=False), plain)
    unit = [(x / x.norm(dim=1, keepdim=True)).numpy() for x in (features.double(), bank.double())]
    np.testing.assert_allclose(knn(features, bank, k), oracles.naive_knn(*unit, k))
    whole = knn(features, bank, k)
    monkeypatch.setattr(neighbors, "BLOCK", 3)
    torch.testing.assert_close(knn(features, bank, k), whole)


def test_knn_of_a_row_in_the_bank_is_zero_and_a_small_bank_is_used_up():
    bank = toy_features(30, 2, 5)[0]
    assert knn(bank, bank, k=1).abs().max() == 0.0
    torch.testing.assert_close(knn(bank[:3], bank, k=500), knn(bank[:3], bank, k=60))


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.3, 2.0, -1.0]])
def test_weighted_energy_equals_plain_arithmetic(weights):
    expected = [-oracles.naive_weighted_energy(row, weights) for row in LOGITS.tolist()]
    np.testing.assert_allclose(weighted_energy(LOGITS, torch.tensor(weights).double()), expected)


def test_weights_of_one_or_none_are_the_plain_energy():
    torch.testing.assert_close(weighted_energy(LOGITS, torch.ones(3).double()), energy(LOGITS))
    torch.testing.assert_close(weighted_energy(LOGITS, torch.tensor([-1.0, 0.0, -2.0]).double()), energy(LOGITS))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("score", [msp, max_logit, energy, lambda x: weighted_energy(x, x.new_tensor([0.5, 1.0, 2.0]))])
def test_logits_of_half_precision_have_scores_of_full_precision(score, half, generator):
    logits = torch.randn(500, 3, generator=generator).to(half)
    found = score(logits)
    assert found.dtype == torch.float32
    assert torch.equal(found, score(logits.float()))
    assert score(logits.double()).dtype == torch.float64


@pytest.mark.parametrize("weights", [[math.nan] * 3, [math.nan, 1.0, 2.0], [-1.0, math.nan, 0.0]])
def test_a_weight_that_diverged_is_seen(weights):
    leaf = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    value = weighted_energy(LOGITS, leaf)
    assert value.isnan().all()
    value.sum().backward()
    assert leaf.grad.isnan().any()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: energy(LOGITS, temperature=0.0), ConfigError),
        (lambda: knn(LOGITS, LOGITS, k=0), ConfigError),
        (lambda: knn(LOGITS, LOGITS[:, :2]), ShapeError),
        (lambda: knn(LOGITS, LOGITS[:0]), ShapeError),
        (lambda: knn(LOGITS, LOGITS[0]), ShapeError),
        (lambda: weighted_energy(LOGITS, torch.ones(2)), ShapeError),
    ],
)
def test_calls_that_cannot_work_are_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()


def test_a_standardized_sum_adds_scores_in_deviations_of_id_texts(generator):
    ids = [torch.randn(50, generator=generator), 100 + 7 * torch.randn(50, generator=generator)]
    texts = [torch.randn(4, generator=generator), 100 + 7 * torch.randn(4, generator=generator)]
    found = standardized_sum(texts, ids)
    for i in range(4):
        expected = 0.0
        for score, reference in zip(texts, ids, strict=True):
            values = reference.double().tolist()
            mean = sum(values) / 50
            deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 50)
            expected += (float(score[i]) - mean) / deviation
        assert float(found[i]) == pytest.approx(expected, rel=1e-6)
    # The scale and the origin of a score do not matter.
    moved = standardized_sum([texts[0], 3 * texts[1] - 5], [ids[0], 3 * ids[1] - 5])
    torch.testing.assert_close(found, moved, rtol=1e-4, atol=1e-4)
    assert float(standardized_sum([ids[0]], [ids[0]]).std(correction=0)) == pytest.approx(1.0)
    constant = torch.full((50,), 3.0)
    torch.testing.assert_close(standardized_sum([texts[0]], [constant]), texts[0].double() - 3.0)


@pytest.mark.parametrize(
    ("scores", "references"),
    [([], []), ([torch.ones(2)], []), ([torch.ones(2)], [torch.ones(0)])],
)
def test_a_sum_without_references_is_refused(scores, references):
    with pytest.raises(ShapeError, match="expected"):
        standardized_sum(scores, references)
