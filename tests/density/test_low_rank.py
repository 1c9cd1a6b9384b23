from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tests.contracts import toy_features
from vos.density import ClassConditionalGaussian, LowRankGaussian, empirical_covariance, load_density, oas_covariance
from vos.errors import ConfigError, NotFittedError, RunError


def dense(density: LowRankGaussian) -> torch.Tensor:
    """Σ, by applying `L` to the identity."""
    factor = density._apply_factor(torch.eye(density.n_features).double(), 0).mT
    return factor @ factor.mT


def pooled_rows(features, labels):
    means = torch.stack([features[labels == c].double().mean(0) for c in labels.unique()])
    return features.double() - means[labels]


def shares(features, labels):
    """Mean variance of the within-class covariance, and its first part as OAS divides it."""
    shrunk = oas_covariance(pooled_rows(features, labels), torch.bincount(labels)[labels])
    sample = empirical_covariance(pooled_rows(features, labels))
    share = 1.0 - shrunk[0, 1] / sample[0, 1]
    return share * sample.trace() / len(sample), (1.0 - share) * sample


def test_the_covariance_is_leading_directions_plus_what_they_leave_of_the_shrunk_diagonal():
    features, labels = toy_features(30, 3, 8)
    density = LowRankGaussian(3, 8, rank=3).fit(features, labels)
    sphere, sample = shares(features, labels)
    assert sphere > 0.02 * sample.trace() / 8
    values, vectors = torch.linalg.eigh(sample)
    leading = (vectors[:, -3:] * values[-3:]) @ vectors[:, -3:].mT
    expected = leading + torch.diag((sample - leading).diagonal() + sphere)
    torch.testing.assert_close(dense(density), expected)
    torch.testing.assert_close(dense(density).diagonal(), sample.diagonal() + sphere)
    assert float(density.jitter) == 0.0
    torch.testing.assert_close(density.mean_variance(), sample.diagonal().mean() + sphere)


@pytest.mark.parametrize(("n_per_class", "d"), [(60, 5), (4, 30), (2, 30)])
def test_full_rank_is_the_gaussian_of_oas(n_per_class, d):
    features, labels = toy_features(n_per_class, 2, d)
    low, full = LowRankGaussian(2, d, rank=d), ClassConditionalGaussian(2, d, "oas")
    torch.testing.assert_close(
        low.fit(features, labels).log_prob(features), full.fit(features, labels).log_prob(features)
    )
    torch.testing.assert_close(full.mean_variance(), low.mean_variance())


@pytest.mark.parametrize("rank", [1, 16, 64, 90, 99, 100, 101, 512])
@pytest.mark.parametrize("flat", [True, False])
def test_no_rank_is_too_high_for_the_number_of_texts(rank, flat):
    # Classes of 100 and 2 texts at d = 512, ν = 100: M/d of new texts around their true mean. Without shrinkage it is
    # 1.4 at rank 16, 4.8 at 64 and 8e5 at 100. The mean of 300 draws has a relative standard error of
    # sqrt(2 / 512 / 300) = 0.4 % (0.5 % where variances fall), and tr S / d one of 0.6 %.
    d = 512
    deviations = torch.ones(d) if flat else torch.arange(1, d + 1) ** -0.25
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 100 + [1] * 2)
    density = LowRankGaussian(2, d, rank).fit(torch.randn(102, d, generator=generator) * deviations, labels)
    new = torch.randn(300, d, generator=generator) * deviations
    distance = density._solve(new.double(), 0).square().sum(-1).mean() / d
    assert 0.9 < float(distance) < 1.1


@pytest.mark.parametrize("rank", [16, 64, 100])
def test_wide_features(rank):
    # As above at d = 2,048.
    generator = torch.Generator().manual_seed(0)
    density = LowRankGaussian(2, 2048, rank)
    density.fit(torch.randn(102, 2048, generator=generator), torch.tensor([0] * 100 + [1] * 2))
    distance = density._solve(torch.randn(100, 2048, generator=generator).double(), 0).square().sum(-1).mean() / 2048
    assert 0.9 < float(distance) < 1.1


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
    sphere, sample = shares(features, labels)
    torch.testing.assert_close(dense(density).diagonal(), sample.diagonal() + sphere)


@pytest.mark.parametrize(("before", "after"), [(3, 30), (30, 3)])
def test_a_refit_leaves_nothing_of_the_former_fit(before, after):
    # Six texts fill six of the 20 columns: the others must not keep what 60 texts had put there.
    density = LowRankGaussian(2, 50, rank=20).fit(*toy_features(before, 2, 50))
    density.jitter.fill_(1.0)
    density.fit(*toy_features(after, 2, 50))
    fresh = LowRankGaussian(2, 50, rank=20).fit(*toy_features(after, 2, 50))
    for name, value in density.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


def test_texts_of_classes_left_out_have_no_part():
    features, labels = toy_features(10, 4, 8)
    keep = (labels < 2) | (torch.arange(40) % 10 == 0)  # one text of each of the classes 2 and 3
    density = LowRankGaussian(4, 8, rank=3).fit(features[keep], labels[keep])
    assert density.ready.tolist() == [True, True, False, False]
    fresh = LowRankGaussian(2, 8, rank=3).fit(features[labels < 2], labels[labels < 2])
    torch.testing.assert_close(dense(density), dense(fresh), rtol=1e-12, atol=1e-12)


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
    with pytest.raises(RunError, match="expected a density of kind ClassConditionalGaussian, found LowRankGaussian"):
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
