from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_features
from vos.density import ClassConditionalGaussian, LowRankGaussian
from vos.errors import InfeasibleError, NotFittedError
from vos.outliers import draw_at_class_values, draw_at_margin, draw_at_values
from vos.outliers._radial import measured
from vos.outliers.conditional_values import nearest_at_values, row_basis


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
    delta = values - (normals @ mean + offsets)
    smallest = nearest_at_values(row_basis(normals @ cholesky)[1], delta).norm(dim=-1)
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
    radius = torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).norm(dim=0)
    for stretch in (1.0, 1.0 + 1e-10, 1.0 - 1e-10):
        again = draw_at_values(mean, cholesky, normals, offsets, values, stretch * radius, generator)
        torch.testing.assert_close(again, h, rtol=1e-12, atol=1e-12)
    for stretch in (2.0, 1.0 + 1e-6, 1.0 - 1e-6):
        with pytest.raises(InfeasibleError, match="no point has margin 1"):
            draw_at_values(mean, cholesky, normals, offsets, values, stretch * radius, generator)


def test_dependent_constraints_are_refused(generator):
    mean, cholesky, normals, _ = problem(4, 3)
    twice = torch.cat([normals, normals[:1] + normals[1:2]])
    for bad in (twice, torch.cat([normals, normals])):
        k = len(bad)
        with pytest.raises(InfeasibleError, match=f"got {k} in 4 features"):
            draw_at_values(mean, cholesky, bad, torch.zeros(k).double(), torch.zeros(1, k).double(), None, generator)


@pytest.mark.parametrize(("off", "is_refused"), [(1e-6, False), (1e-9, False), (1e-11, True)])
def test_normals_are_dependent_where_rounding_would_decide(off, is_refused, generator):
    # Two normals of length one, `off` from parallel. With the values of one point that both share, the draws meet both.
    mean, cholesky = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    normals = torch.tensor([[1.0, 0.0, 0.0], [1.0, off, 0.0]], dtype=torch.float64)
    values, offsets = torch.full((4, 2), 0.5, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    if is_refused:
        with pytest.raises(InfeasibleError, match="linearly independent"):
            draw_at_values(mean, cholesky, normals, offsets, values, None, generator)
        return
    h = draw_at_values(mean, cholesky, normals, offsets, values, None, generator)
    torch.testing.assert_close(h @ normals.mT, values, rtol=0.0, atol=1e-12)


def test_nearly_parallel_noise_is_projected_cleanly():
    # As for one constraint: in three dimensions two leave one free direction, and of 20,000 draws some have almost all
    # of the noise taken away. At a radius of 1e6 a direction that is off by 1e-13 shows as a value of 1e-7.
    generator = torch.Generator().manual_seed(0)
    mean, cholesky, normals, offsets = problem(3, 2)
    values = torch.zeros(20_000, 2, dtype=torch.float64)
    h = draw_at_values(mean, cholesky, normals, offsets, values, 1e6 + values[:, 0], generator)
    assert float((h @ normals.mT + offsets).abs().max()) < 1e-7


DENSITIES = [ClassConditionalGaussian(3, 6), ClassConditionalGaussian(3, 6, tied=False), LowRankGaussian(3, 6, rank=2)]


@pytest.mark.parametrize("density", DENSITIES, ids=["tied", "per class", "low rank"])
@pytest.mark.parametrize("has_radii", [False, True])
def test_every_density_draws_as_its_square_root_does(density, has_radii):
    density.fit(*toy_features(40, 3, 6))
    _, _, normals, offsets = problem(6, 2)
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2])
    values = torch.linspace(-2.0, 2.0, 18, dtype=torch.float64).view(9, 2)
    radii = torch.linspace(50.0, 60.0, 9, dtype=torch.float64) if has_radii else None
    drawn = draw_at_class_values(density, labels, normals, offsets, values, radii, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    for c in range(3):
        mean, at = density.means[c], labels == c
        root = (density.color(torch.eye(6), torch.full((6,), c)) - mean).mT
        asked = None if radii is None else radii[at]
        expected = draw_at_values(mean, root, normals, offsets, values[at], asked, generator)
        torch.testing.assert_close(drawn[at], expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(drawn @ normals.mT + offsets, values)
    if radii is not None:
        torch.testing.assert_close(density.whiten(drawn, labels).norm(dim=-1), radii)


def test_class_values_that_cannot_be_are_refused(generator):
    density = toy_density(3, 6)
    density.ready[2] = False
    _, _, normals, offsets = problem(6, 2)
    labels, values = torch.tensor([0, 1, 1]), torch.full((3, 2), 50.0)
    with pytest.raises(InfeasibleError, match="class 0: no point has margin 50") as caught:
        draw_at_class_values(density, labels, normals, offsets, values, torch.ones(3), generator)
    assert caught.value.classes == (0,)
    with pytest.raises(NotFittedError, match="ready, got 2"):
        draw_at_class_values(density, labels + 1, normals, offsets, values, None, generator)


@pytest.mark.parametrize("distance", [None, 0.9999999])
@pytest.mark.parametrize(("n_classes", "tied"), [(2, True), (3, False)])
def test_draws_at_values_behave_as_every_sampler(distance, n_classes, tied):
    _, _, normals, offsets = problem(6, 2)

    def sampler(density, head, n_per_class, generator):
        labels = density.ready_labels(n_per_class)
        radii = None if distance is None else torch.full((len(labels),), float(stats.chi2(6).ppf(distance)) ** 0.5)
        h = draw_at_class_values(density, labels, normals, offsets, torch.ones(len(labels), 2), radii, generator)
        return measured(h, labels, density, head)

    check_outlier_sampler(sampler, n_classes, tied)
