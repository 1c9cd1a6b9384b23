from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf

from tests import oracles
from vos.density import (
    COVARIANCES,
    cholesky_with_jitter,
    empirical_covariance,
    ledoit_wolf_covariance,
    oas_covariance,
)
from vos.density.covariance import JITTER_LADDER
from vos.errors import InfeasibleError, ShapeError


def centered(n: int, d: int, seed: int = 0) -> torch.Tensor:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x @ torch.diag(torch.linspace(0.3, 3.0, d, dtype=torch.float64))
    return x - x.mean(0)


@pytest.mark.parametrize(("n", "d"), [(50, 4), (5, 12), (7, 1)])
@pytest.mark.parametrize(
    ("name", "estimator", "naive"),
    [
        ("empirical", EmpiricalCovariance, lambda x: x.T @ x / len(x)),
        ("ledoit_wolf", LedoitWolf, oracles.naive_ledoit_wolf),
        ("oas", OAS, oracles.naive_oas),
    ],
)
def test_estimates_equal_sklearn_and_the_literal_formula(name, estimator, naive, n, d):
    x = centered(n, d)
    estimate = COVARIANCES[name](x)
    assert estimate.dtype == torch.float64
    assert estimate.shape == (d, d)
    np.testing.assert_allclose(estimate, estimator(assume_centered=True).fit(x.numpy()).covariance_, rtol=1e-12)
    if d > 1:  # the formulas divide zero by zero for one feature
        np.testing.assert_allclose(estimate, naive(x.numpy()), rtol=1e-9, atol=1e-12)


def test_two_texts_give_ledoit_wolf_a_sphere_of_their_variance():
    x = centered(2, 5)
    torch.testing.assert_close(ledoit_wolf_covariance(x), torch.eye(5).double() * empirical_covariance(x).trace() / 5)
    # The formula itself would not shrink at all, and leave a matrix of rank one.
    np.testing.assert_allclose(oracles.naive_ledoit_wolf(x.numpy()), empirical_covariance(x), atol=1e-12)


def test_the_error_of_the_empirical_estimate_falls_as_one_over_root_n():
    # The mean squared error of an entry is at most 2/n for unit variances. Averaged over 200 repeats the ratio of the
    # errors at n and 16 n is 16 with a relative spread of about 3 %: 5 sigma are 15 %.
    def error(n: int) -> float:
        x = torch.randn(200, n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        return float(torch.stack([(empirical_covariance(r) - torch.eye(3)).square().sum() for r in x]).mean())

    assert error(25) / error(400) == pytest.approx(16.0, rel=0.15)


@pytest.mark.parametrize("estimate", [empirical_covariance, ledoit_wolf_covariance, oas_covariance])
@pytest.mark.parametrize("bad", [torch.zeros(1, 3).double(), torch.zeros(4, 3), torch.zeros(4).double()])
def test_other_shapes_and_dtypes_are_refused(estimate, bad):
    with pytest.raises(ShapeError, match="centred features"):
        estimate(bad)


def test_a_regular_covariance_gets_no_jitter():
    cov = empirical_covariance(centered(50, 4))
    factor, jitter = cholesky_with_jitter(cov)
    assert jitter == 0.0
    torch.testing.assert_close(factor @ factor.mT, cov)
    assert torch.equal(factor, factor.tril())


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_jitter_scales_with_the_covariance(scale):
    cov = empirical_covariance(centered(5, 12)) * scale  # rank 4 at most
    factor, jitter = cholesky_with_jitter(cov)
    mean_variance = float(cov.diagonal().mean())
    assert jitter / mean_variance == pytest.approx(1e-10)
    torch.testing.assert_close(factor @ factor.mT, cov + jitter * torch.eye(12), rtol=1e-9, atol=1e-9 * mean_variance)


def test_the_ladder_is_climbed_as_far_as_needed():
    # Smallest eigenvalue -3e-5 at trace / d near 1: the rungs up to 1e-5 are too low, 1e-4 is not.
    cov = torch.diag(torch.tensor([1.0, 1.0, 1.0, -3e-5], dtype=torch.float64))
    assert cholesky_with_jitter(cov)[1] == pytest.approx(1e-4 * float(cov.diagonal().mean()))


def test_a_factor_that_rounding_made_is_refused():
    # Rank one, so the exact second pivot is zero; rounding lets LAPACK pass some of these without jitter.
    for seed in range(20):
        v = torch.randn(6, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert cholesky_with_jitter(v @ v.mT)[1] > 0.0


@pytest.mark.parametrize(
    ("cov", "error", "message"),
    [
        (torch.zeros(2, 3).double(), ShapeError, "square|\\(d, d\\)"),
        (torch.eye(2), ShapeError, "float64"),
        (torch.zeros(0, 0).double(), ShapeError, "\\(d, d\\)"),
        (torch.full((2, 2), torch.nan).double(), ShapeError, "finite"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]).double(), ShapeError, "symmetric"),
        (torch.zeros(3, 3).double(), InfeasibleError, "do not vary"),
        (torch.diag(torch.tensor([3.0, -1.0])).double(), InfeasibleError, "eigenvalue -1"),
    ],
)
def test_hopeless_matrices_are_refused(cov, error, message):
    with pytest.raises(error, match=message):
        cholesky_with_jitter(cov)


def test_the_ladder_ascends_from_zero():
    assert JITTER_LADDER[0] == 0.0
    assert list(JITTER_LADDER) == sorted(JITTER_LADDER)
