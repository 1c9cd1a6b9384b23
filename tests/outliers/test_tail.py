from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, NotFittedError, ShapeError
from vos.outliers import TailSampler
from vos.outliers.tail import smallest_of_uniforms
from vos.types import LinearHead

SAMPLERS = [TailSampler(distance=0.999), TailSampler(epsilon=0.01), TailSampler(draws=1000)]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize(("n_classes", "tied"), [(2, True), (3, True), (3, False)])
def test_behaves_as_every_sampler(sampler, n_classes, tied):
    check_outlier_sampler(sampler, n_classes, tied)


def test_a_distance_is_a_shell():
    density, head = toy_density(3, 6), toy_head(3, 6, dtype=torch.float64)
    drawn = TailSampler(distance=0.999)(density, head, 50, torch.Generator().manual_seed(0))
    expected = torch.full((150,), float(stats.chi2(6).ppf(0.999)), dtype=torch.float64)
    torch.testing.assert_close(drawn.mahalanobis, expected)
    own = density.mahalanobis(drawn.features).gather(1, drawn.labels[:, None])[:, 0]
    torch.testing.assert_close(own, expected)


def test_directions_on_the_shell_are_uniform():
    # d = 3: each coordinate of a uniform direction is uniform on [-1, 1] (Archimedes). n = 4,000, DKW bound for a
    # failure rate of 1e-6 over three coordinates.
    density = toy_density(2, 3)
    drawn = TailSampler(distance=0.9)(
        density, toy_head(2, 3, dtype=torch.float64), 2000, torch.Generator().manual_seed(0)
    )
    directions = density.whiten(drawn.features, drawn.labels) / drawn.mahalanobis.sqrt()[:, None]
    bound = math.sqrt(-0.5 * math.log(1e-6 / 6) / 4000)
    for coordinate in directions.T:
        assert stats.kstest(coordinate.numpy(), stats.uniform(-1, 2).cdf).statistic < bound


@pytest.mark.parametrize("epsilon", [1.0, 0.05, 1e-12])
def test_epsilon_is_a_truncated_chi_square(epsilon):
    # n = 4,000; given r² beyond the cut, sf(r²) / ε is uniform. DKW bound for a failure rate of 1e-6.
    drawn = TailSampler(epsilon=epsilon)(toy_density(2, 6), toy_head(2, 6), 2000, torch.Generator().manual_seed(0))
    tail = stats.chi2(6).sf(drawn.mahalanobis.double().numpy()) / epsilon
    assert tail.max() <= 1.0 + 1e-9
    assert stats.kstest(tail, "uniform").statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)


@pytest.mark.parametrize("keep", [1, 3])
def test_draws_have_the_law_of_the_literal_algorithm(keep):
    # 1,500 rounds of 200 draws in d = 8 against as many exact draws: radii of every rank and one coordinate, two-sample
    # KS for a failure rate of 1e-6 over all comparisons.
    density = toy_density(1, 8)
    head = toy_head(1, 8, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    rounds = [oracles.naive_tail(density.means[0], density.cholesky, 200, keep, generator) for _ in range(1500)]
    exact = [TailSampler(draws=200)(density, head, keep, generator) for _ in range(1500)]
    bound = oracles.ks_critical(1500, 1500, 1e-6 / (2 * keep))
    for k in range(keep):
        literal = torch.stack([squared[k] for _, squared in rounds])
        ours = torch.stack([drawn.mahalanobis[k] for drawn in exact])
        assert oracles.ks_distance(literal, ours) < bound
        literal = torch.stack([points[k, 0] for points, _ in rounds])
        ours = torch.stack([drawn.features[k, 0] for drawn in exact])
        assert oracles.ks_distance(literal, ours) < bound


def test_the_largest_of_n_in_one_dimension_has_its_closed_form():
    # P(max |z| <= t) = (2 Φ(t) - 1)^n for n = 50; 4,000 draws, DKW bound for a failure rate of 1e-6.
    density = ClassConditionalGaussian(4000, 1)
    density.ready.fill_(True)
    head = LinearHead(torch.zeros(4000, 1).double(), torch.zeros(4000).double())
    drawn = TailSampler(draws=50)(density, head, 1, torch.Generator().manual_seed(0))
    bound = math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)

    def law(t):
        return (2 * stats.norm.cdf(t) - 1) ** 50

    assert stats.kstest(drawn.features[:, 0].abs().numpy(), law).statistic < bound


def test_kept_draws_come_least_likely_first():
    drawn = TailSampler(draws=100)(toy_density(2, 5), toy_head(2, 5), 7, torch.Generator().manual_seed(0))
    squared = drawn.mahalanobis.view(2, 7)
    assert (squared.diff(dim=1) < 0).all()


def test_all_of_n_draws_are_n_plain_draws():
    # Keeping 40 of 40 is sampling: 100 rounds, 4,000 squared radii against chi-square, DKW bound for a rate of 1e-6.
    density, head = toy_density(1, 5), toy_head(1, 5)
    generator = torch.Generator().manual_seed(0)
    squared = torch.cat([TailSampler(draws=40)(density, head, 40, generator).mahalanobis for _ in range(100)])
    # Within a round the radii are dependent (sorted), but the pooled empirical law is that of 4,000 independent draws.
    assert stats.kstest(squared.numpy(), stats.chi2(5).cdf).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)


def test_order_statistics_at_the_extremes():
    q = smallest_of_uniforms(torch.tensor([1.0, 0.5, 1e-300], dtype=torch.float64), 10_000)
    assert float(q[0]) == torch.finfo(torch.float64).tiny  # a zero tail would be an infinite radius
    assert torch.isfinite(q).all()
    assert (q.diff() > 0).all()
    with pytest.raises(ConfigError, match="3 draws for 4"):
        smallest_of_uniforms(torch.ones(4, dtype=torch.float64), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "got none"),
        ({"distance": 0.9, "draws": 10}, "exactly one"),
        ({"distance": 0.0}, r"\(0, 1\)"),
        ({"distance": 1.0}, r"\(0, 1\)"),
        ({"epsilon": 0.0}, r"\(0, 1\]"),
        ({"epsilon": 1.5}, r"\(0, 1\]"),
        ({"draws": 0}, "at least one draw"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        TailSampler(**options)


def test_calls_that_cannot_work_are_refused(generator):
    sampler, head = TailSampler(draws=5), toy_head(2, 4)
    with pytest.raises(ConfigError, match="5 draws for 6"):
        sampler(toy_density(2, 4), head, 6, generator)
    with pytest.raises(ConfigError, match="n_per_class=0"):
        sampler(toy_density(2, 4), head, 0, generator)
    with pytest.raises(NotFittedError, match="call fit"):
        sampler(ClassConditionalGaussian(2, 4), head, 1, generator)
    with pytest.raises(ShapeError, match=r"weight \(2, 5\)"):
        sampler(toy_density(2, 5), head, 1, generator)
    with pytest.raises(ShapeError, match=r"bias \(2,\)"):
        sampler(toy_density(2, 4), LinearHead(head.weight, torch.zeros(3)), 1, generator)
