from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tests.contracts import toy_features
from vos.density import ClassConditionalGaussian, LowRankGaussian, empirical_covariance, load_density
from vos.density.low_rank import FLOOR
from vos.errors import ConfigError, NotFittedError, RunError


def dense(density: LowRankGaussian) -> torch.Tensor:
    """Σ, by applying `L` to the identity."""
    factor = density._apply_factor(torch.eye(density.n_features).double(), 0).mT
    return factor @ factor.mT


def pooled(features, labels):
    means = torch.stack([features[labels == c].double().mean(0) for c in labels.unique()])
    return empirical_covariance(features.double() - means[labels])


def test_the_covariance_is_leading_directions_plus_what_they_leave_of_the_diagonal():
    features, labels = toy_features(30, 3, 8)
    density = LowRankGaussian(3, 8, rank=3).fit(features, labels)
    sample = pooled(features, labels)
    values, vectors = torch.linalg.eigh(sample)
    leading = (vectors[:, -3:] * values[-3:]) @ vectors[:, -3:].mT
    expected = leading + torch.diag((sample - leading).diagonal())
    torch.testing.assert_close(dense(density), expected)
    torch.testing.assert_close(dense(density).diagonal(), sample.diagonal())
    assert float(density.jitter) == 0.0
    torch.testing.assert_close(density.mean_variance(), sample.diagonal().mean())


def test_full_rank_is_the_empirical_gaussian_up_to_the_floor():
    features, labels = toy_features(60, 2, 5)
    low, full = LowRankGaussian(2, 5, rank=5), ClassConditionalGaussian(2, 5, "empirical")
    torch.testing.assert_close(
        low.fit(features, labels).log_prob(features),
        full.fit(features, labels).log_prob(features),
        rtol=1e-3,
        atol=1e-3,
    )
    assert float(low.jitter) == pytest.approx(FLOOR * float(pooled(features, labels).diagonal().mean()), rel=1e-6)
    torch.testing.assert_close(full.mean_variance(), low.mean_variance(), rtol=1e-5, atol=0.0)


def test_log_prob_equals_scipy():
    features, labels = toy_features(30, 2, 7)
    density = LowRankGaussian(2, 7, rank=2).fit(features, labels)
    for c in range(2):
        expected = stats.multivariate_normal(density.means[c].numpy(), dense(density).numpy()).logpdf(features.numpy())
        np.testing.assert_allclose(density.log_prob(features)[:, c], expected, rtol=1e-9)


def test_the_root_is_inverted_and_transposed():
    features, labels = toy_features(30, 3, 8)
    density = LowRankGaussian(3, 8, rank=3).fit(features, labels)
    z = density.whiten(features, labels)
    torch.testing.assert_close(density.color(z, labels), features.double())
    w = torch.randn(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(density.pull_back(w, 0) @ z.mT, w @ (features.double() - density.means[labels]).mT)


def test_fewer_texts_than_the_rank():
    features, labels = toy_features(3, 2, 50)
    density = LowRankGaussian(2, 50, rank=20).fit(features, labels)
    assert torch.isfinite(density.log_prob(features)).all()
    torch.testing.assert_close(dense(density).diagonal(), pooled(features, labels).diagonal(), rtol=1e-4, atol=1e-4)
    more, more_labels = toy_features(30, 2, 50)  # a refit leaves nothing of the former fit
    refit = density.fit(more, more_labels)
    fresh = LowRankGaussian(2, 50, rank=20).fit(more, more_labels)
    assert torch.equal(refit.basis, fresh.basis)


def test_draws_have_the_covariance():
    # 20,000 draws: an entry of the sample covariance has a standard error of up to sqrt(2 / 20000) = 1 % of a variance.
    features, labels = toy_features(40, 1, 6)
    density = LowRankGaussian(1, 6, rank=2).fit(features, labels)
    draws, _ = density.sample(20_000, torch.Generator().manual_seed(0))
    tolerance = 0.05 * float(dense(density).diagonal().max())
    torch.testing.assert_close(draws.mT.cov(), dense(density), rtol=0.0, atol=tolerance)


def test_it_travels(tmp_path):
    features, labels = toy_features(20, 2, 6)
    density = LowRankGaussian(2, 6, rank=2).fit(features, labels)
    density.save(tmp_path / "d.safetensors")
    loaded = LowRankGaussian.load(tmp_path / "d.safetensors").half()
    assert torch.equal(loaded.log_prob(features), density.log_prob(features))
    with pytest.raises(RunError, match="expected a ClassConditionalGaussian, found a LowRankGaussian"):
        ClassConditionalGaussian.load(tmp_path / "d.safetensors")
    whatever = load_density(tmp_path / "d.safetensors")
    assert isinstance(whatever, LowRankGaussian)
    assert torch.equal(whatever.log_prob(features), density.log_prob(features))


def test_the_covariance_is_that_of_its_parts():
    features, labels = toy_features(20, 2, 6)
    density = LowRankGaussian(2, 6, rank=2).fit(features, labels)
    torch.testing.assert_close(density.within_class_covariance(), dense(density))
    with pytest.raises(NotFittedError):
        LowRankGaussian(2, 6, rank=2).within_class_covariance()


@pytest.mark.parametrize("rank", [0, 7])
def test_a_rank_that_cannot_be_is_refused(rank):
    with pytest.raises(ConfigError, match=r"\[1, 6\]"):
        LowRankGaussian(2, 6, rank)
