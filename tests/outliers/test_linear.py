from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import oracles
from vos.errors import InfeasibleError
from vos.outliers import draw_at_margin, draw_at_values
from vos.outliers.linear import nearest_at_values


def problem(d: int, k: int, seed: int = 0):
    """Mean, factor, normals, offsets of one class with k constraints; float64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(d, generator=generator, dtype=torch.float64)
    root = torch.randn(d, d, generator=generator, dtype=torch.float64)
    cholesky = torch.linalg.cholesky(root @ root.mT + 0.1 * torch.eye(d))
    normals = torch.randn(k, d, generator=generator, dtype=torch.float64)
    return mean, cholesky, normals, torch.randn(k, generator=generator, dtype=torch.float64)


@settings(max_examples=100, deadline=None)
@given(d=st.integers(2, 10), share=st.floats(0, 1), seed=st.integers(0, 10_000), stretch=st.floats(1.0, 50.0))
def test_values_and_radius_are_met_exactly(d, share, seed, stretch):
    k = max(1, round(share * (d - 1)))
    mean, cholesky, normals, offsets = problem(d, k, seed)
    generator = torch.Generator().manual_seed(seed)
    values = 5.0 * torch.randn(4, k, generator=generator, dtype=torch.float64)
    smallest = nearest_at_values(normals @ cholesky, values - (normals @ mean + offsets))[1].norm(dim=-1)
    radii = stretch * smallest + 1e-3
    h = draw_at_values(mean, cholesky, normals, offsets, values, radii, generator)
    scale = h.norm(dim=1, keepdim=True) * normals.norm(dim=1) + 1.0
    assert ((h @ normals.mT + offsets - values).abs() / scale < 1e-10).all()
    z = torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).mT
    torch.testing.assert_close(z.norm(dim=1), radii, rtol=1e-7, atol=1e-9)
    # The smallest radius is that of the pseudo-inverse, A⁺δ.
    pseudo = (values - (normals @ mean + offsets)) @ torch.linalg.pinv(normals @ cholesky).mT
    torch.testing.assert_close(smallest, pseudo.norm(dim=1), rtol=1e-6, atol=1e-8)


def test_two_constraints_equal_rejection():
    # d = 4; 3 million draws, those within 0.05 of both values kept (about 1,000) against as many exact draws: all
    # coordinates and the squared radius, two-sample KS for a failure rate of 1e-6 over five comparisons.
    mean, cholesky, normals, offsets = problem(4, 2, seed=5)
    generator = torch.Generator().manual_seed(0)
    values = normals @ mean + offsets + 0.5

    def gaps(h):
        return h @ normals.mT + offsets - values

    kept = oracles.rejected_at_values(mean, cholesky, gaps, 0.05, 3_000_000, generator)
    assert len(kept) > 800
    ours = draw_at_values(mean, cholesky, normals, offsets, values.expand(len(kept), -1), None, generator)
    bound = oracles.ks_critical(len(kept), len(ours), 1e-6 / 5)

    def squared(h):
        return torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).square().sum(0)

    for a, b in [*zip(kept.T, ours.T, strict=True), (squared(kept), squared(ours))]:
        assert oracles.ks_distance(a, b) < bound


def test_one_constraint_is_the_margin():
    mean, cholesky, normals, offsets = problem(5, 1)
    margins = torch.linspace(-2.0, 2.0, 7, dtype=torch.float64)
    radii = torch.full((7,), 40.0, dtype=torch.float64)
    for r in (None, radii):
        one = draw_at_margin(mean, cholesky, normals[0], offsets[0], margins, r, torch.Generator().manual_seed(0))
        many = draw_at_values(mean, cholesky, normals, offsets, margins[:, None], r, torch.Generator().manual_seed(0))
        torch.testing.assert_close(one, many)


def test_the_free_radius_has_as_many_degrees_of_freedom_as_are_left():
    # ρ² ~ χ² with d - K = 3 degrees of freedom; n = 4,000, DKW bound for a failure rate of 1e-6.
    mean, cholesky, normals, offsets = problem(5, 2)
    values = (normals @ mean + offsets).expand(4000, -1)  # δ = 0: all of the radius is free
    h = draw_at_values(mean, cholesky, normals, offsets, values, None, torch.Generator().manual_seed(0))
    squared = torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).square().sum(0)
    assert stats.kstest(squared.numpy(), stats.chi2(3).cdf).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)


def test_as_many_constraints_as_features_leave_a_point(generator):
    mean, cholesky, normals, offsets = problem(3, 3)
    values = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    h = draw_at_values(mean, cholesky, normals, offsets, values, None, generator)
    torch.testing.assert_close(h[0], torch.linalg.solve(normals, values[0] - offsets))
    radius = nearest_at_values(normals @ cholesky, values - (normals @ mean + offsets))[1].norm(dim=-1)
    torch.testing.assert_close(draw_at_values(mean, cholesky, normals, offsets, values, radius, generator), h)
    with pytest.raises(InfeasibleError, match="no point has margin 1"):
        draw_at_values(mean, cholesky, normals, offsets, values, 2 * radius, generator)


def test_dependent_constraints_are_refused(generator):
    mean, cholesky, normals, _ = problem(4, 3)
    twice = torch.cat([normals, normals[:1] + normals[1:2]])
    for bad in (twice, torch.cat([normals, normals])):
        k = len(bad)
        with pytest.raises(InfeasibleError, match=f"got {k} in 4 features"):
            draw_at_values(mean, cholesky, bad, torch.zeros(k).double(), torch.zeros(1, k).double(), None, generator)


def test_nearly_parallel_noise_is_projected_cleanly():
    # In two dimensions the free direction is what is left of g after most of it may have been taken away. At a radius
    # of 1e6 a direction that is off by 1e-13 shows as a margin of 1e-7.
    generator = torch.Generator().manual_seed(0)
    mean, cholesky, normals, offsets = problem(2, 1)
    margins = torch.zeros(20_000, dtype=torch.float64)
    h = draw_at_margin(mean, cholesky, normals[0], offsets[0], margins, 1e6 + margins, generator)
    assert float((h @ normals[0] + offsets[0]).abs().max()) < 1e-7
