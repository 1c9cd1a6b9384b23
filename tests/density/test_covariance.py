from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf

from tests import oracles
from vos.density import (
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


def contrasts(x: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """The n - C independent rows behind rows that are centred on classes: m - 1 orthonormal contrasts a class."""
    rows = []
    for block in torch.split(x, sizes):
        ones = torch.ones(len(block), 1, dtype=torch.float64)
        basis = torch.linalg.qr(torch.cat([ones, torch.eye(len(block)).double()[:, 1:]], 1)).Q[:, 1:]
        rows.append(basis.mT @ block)
    return torch.cat(rows)


def by_class(sizes: list[int], d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (n, d) centred on classes of these sizes, and the size of the class of each (n,)."""
    x = centered(sum(sizes), d, seed)
    rows = torch.cat([block - block.mean(0) for block in torch.split(x, sizes)])
    return rows, torch.tensor(sizes).repeat_interleave(torch.tensor(sizes))


def literal_ledoit_wolf(x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Rows brought back to the variance that centring took, weighted by the degrees of freedom that they bear."""
    kept = 1 - 1 / sizes
    degrees, d = kept.sum(), x.shape[1]
    rows = x / np.sqrt(kept)[:, None]
    sample = sum(w * np.outer(row, row) for w, row in zip(kept, rows, strict=True)) / degrees
    target = np.trace(sample) / d * np.eye(d)
    spread = sum(w * ((np.outer(row, row) - sample) ** 2).sum() for w, row in zip(kept, rows, strict=True)) / degrees
    share = 1.0 if degrees == 1 else spread / (degrees - 1) / ((sample - target) ** 2).sum()
    share = min(max(share, 2 / (degrees + 1)), 1.0)
    return degrees / len(x) * ((1 - share) * sample + share * target)


SIZES = pytest.mark.parametrize("sizes", [[2], [3], [30], [2, 2, 2], [4, 4, 4], [2, 9, 40], [100, 2]])


@SIZES
@pytest.mark.parametrize("d", [1, 4, 60])
def test_the_empirical_estimate_equals_sklearn(sizes, d):
    x, class_sizes = by_class(sizes, d)
    expected = EmpiricalCovariance(assume_centered=True).fit(x.numpy()).covariance_
    np.testing.assert_allclose(empirical_covariance(x, class_sizes), expected, rtol=1e-12, atol=1e-14)


@SIZES
@pytest.mark.parametrize("d", [2, 4, 60])
def test_oas_equals_sklearn_on_the_independent_rows(sizes, d):
    x, class_sizes = by_class(sizes, d)
    rows = contrasts(x, sizes)
    estimate = oas_covariance(x, class_sizes) * len(x) / len(rows)
    np.testing.assert_allclose(estimate, oracles.naive_oas(rows.numpy()), rtol=1e-9, atol=1e-12)
    if len(rows) > 1:  # of a single row scikit-learn warns
        np.testing.assert_allclose(
            estimate, OAS(assume_centered=True).fit(rows.numpy()).covariance_, rtol=1e-9, atol=1e-12
        )


@SIZES
@pytest.mark.parametrize("d", [2, 4, 60])
def test_ledoit_wolf_equals_the_literal_formula(sizes, d):
    x, class_sizes = by_class(sizes, d)
    expected = literal_ledoit_wolf(x.numpy(), class_sizes.numpy())
    np.testing.assert_allclose(ledoit_wolf_covariance(x, class_sizes), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("n_classes", "m"), [(1, 30), (1, 400), (20, 4), (20, 50)])
def test_the_share_is_that_of_sklearn_times_a_factor_that_tends_to_one(n_classes, m):
    x, class_sizes = by_class([m] * n_classes, 60)
    n, identity = n_classes * m, torch.eye(60, dtype=torch.float64)
    share = LedoitWolf(assume_centered=True).fit(x.numpy()).shrinkage_ * n / (n - n_classes - 1)
    assert 2 / (n - n_classes + 1) < share < 1.0  # neither bound acts
    sample = empirical_covariance(x)
    expected = (1 - share) * sample + share * sample.trace() / 60 * identity
    torch.testing.assert_close(ledoit_wolf_covariance(x, class_sizes), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("estimate", [ledoit_wolf_covariance, oas_covariance])
def test_without_sizes_all_rows_are_one_class(estimate):
    x = centered(7, 5)
    assert torch.equal(estimate(x), estimate(x, torch.full((7,), 7)))


@pytest.mark.parametrize("estimate", [ledoit_wolf_covariance, oas_covariance])
def test_one_feature_is_its_own_target(estimate):
    x = centered(7, 1)
    torch.testing.assert_close(estimate(x), empirical_covariance(x))


@pytest.mark.parametrize("estimate", [ledoit_wolf_covariance, oas_covariance])
def test_two_texts_give_a_sphere_of_their_variance(estimate):
    x = centered(2, 5)
    torch.testing.assert_close(estimate(x), torch.eye(5).double() * empirical_covariance(x).trace() / 5)
    # The formula for independent rows would not shrink at all, and leave a matrix of rank one.
    np.testing.assert_allclose(oracles.naive_ledoit_wolf(x.numpy()), empirical_covariance(x), atol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
@pytest.mark.parametrize("pairs", [2, 20])
def test_near_duplicates_leave_no_direction_without_variance(pairs, noise):
    # Texts that repeat two templates: after centring all are ±v, and the fourth moments see no error.
    g = torch.Generator().manual_seed(0)
    two = torch.randn(2, 30, generator=g, dtype=torch.float64).repeat(pairs, 1)
    x = two + noise * torch.randn(len(two), 30, generator=g, dtype=torch.float64)
    x = x - x.mean(0)
    estimate = ledoit_wolf_covariance(x)
    smallest = 2 / len(x) * float(estimate.trace()) / 30  # one class: ν + 1 = n
    assert float(torch.linalg.eigvalsh(estimate)[0]) > 0.99 * smallest
    assert cholesky_with_jitter(estimate)[1] == 0.0


@pytest.mark.parametrize(
    ("n_classes", "m"), [(1, 3), (1, 5), (1, 10), (1, 50), (150, 2), (150, 3), (150, 5), (150, 10), (150, 50)]
)
@pytest.mark.parametrize("estimate", [ledoit_wolf_covariance, oas_covariance])
def test_few_texts_a_class_are_shrunk_as_far_as_they_need(estimate, n_classes, m):
    # The truth is the identity at d = 384, so the best estimate is trace/d · I and new texts lie at M/d = n / (n - C),
    # which is what dividing by n costs. trace/d has a relative standard error of sqrt(2 / (d ν)); 5 of them, and as
    # many of the 300 draws' own (0.4 %), are missed once in a million seeds. The share itself may fall short by 2 %.
    d, degrees = 384, n_classes * (m - 1)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n_classes, m, d, generator=g, dtype=torch.float64)
    x = (x - x.mean(1, keepdim=True)).reshape(-1, d)
    covariance = estimate(x, torch.full((len(x),), m))
    new = torch.randn(300, d, generator=g, dtype=torch.float64)
    distance = float((new * torch.linalg.solve(covariance, new.mT).mT).sum(-1).mean()) / d
    assert distance == pytest.approx(m / (m - 1), rel=0.02 + 5 * (2 / (d * degrees)) ** 0.5 + 5 * 0.0042)


def test_the_estimate_of_the_squared_error_has_no_bias():
    # 500 repeats of 20 pairs and 4 classes of 11, ν = 60. The share times the squared distance from the target is the
    # estimated squared error of the unbiased covariance, and its mean that of the true one, within 5 standard errors
    # of their difference (5 % of either together): missed once in 1.7 million seeds.
    sizes = [2] * 20 + [11] * 4
    deviations = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    differences, errors = [], []
    for _ in range(500):
        x = torch.randn(84, 5, generator=generator, dtype=torch.float64) * deviations
        x = torch.cat([block - block.mean(0) for block in torch.split(x, sizes)])
        sample = empirical_covariance(x)
        estimate = ledoit_wolf_covariance(x, torch.tensor(sizes).repeat_interleave(torch.tensor(sizes)))
        share = float(1.0 - estimate[0, 1] / sample[0, 1])
        unbiased = sample * 84 / 60
        target = unbiased.trace() / 5 * torch.eye(5)
        errors.append((unbiased - deviations.square().diag()).square().sum())
        differences.append(share * (unbiased - target).square().sum() - errors[-1])
    difference, error = torch.stack(differences), torch.stack(errors).mean()
    standard_error = difference.std() / 500**0.5
    assert standard_error < 0.05 * error
    assert abs(difference.mean()) < 5 * standard_error


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


@pytest.mark.parametrize("estimate", [empirical_covariance, ledoit_wolf_covariance, oas_covariance])
@pytest.mark.parametrize(("sizes", "message"), [([2, 2], r"each of 3 rows.*\(2,\)"), ([2, 2, 1], "smallest 1.0")])
def test_sizes_of_classes_that_cannot_be_are_refused(estimate, sizes, message):
    with pytest.raises(ShapeError, match=message):
        estimate(centered(3, 2), torch.tensor(sizes))


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
