from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, InfeasibleError, NotFittedError
from vos.outliers import EnergySampler, LogitSampler
from vos.scores import energy
from vos.types import LinearHead


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_it_behaves_as_every_sampler(n_classes, tied):
    check_outlier_sampler(EnergySampler(energy=-2.0), n_classes, tied)
    check_outlier_sampler(EnergySampler(energy=3.0), n_classes, tied)


@pytest.mark.parametrize(
    "sampler", [LogitSampler(logits=[0.5, -0.2], relative=False), EnergySampler(energy=-1.0)], ids=str
)
def test_what_the_logits_do_not_see_is_a_standard_normal(sampler):
    # d = 6 and two logits leave four whitened coordinates, whose squared length is chi-square. n = 4,000, DKW bound for
    # a failure rate of 1e-6.
    density, head = toy_density(2, 6), toy_head(2, 6, dtype=torch.float64)
    density.ready[1] = False
    drawn = sampler(density, head, 4000, torch.Generator().manual_seed(0))
    z = np.linalg.solve(density.cholesky.numpy(), (drawn.features - density.means[0]).numpy().T)
    seen = head.weight.numpy() @ density.cholesky.numpy()
    unseen = z - np.linalg.pinv(seen) @ (seen @ z)
    statistic = stats.kstest((unseen**2).sum(0), stats.chi2(4).cdf).statistic
    assert statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)


@pytest.mark.parametrize("wanted", [-4.0, -1.0])
def test_the_law_on_a_level_of_two_logits_has_its_closed_form(wanted):
    # Of two logits one number v is free on a level, with the density exp(-v²/2 - t(v)²/2): integrated on a grid, and
    # compared with 20,000 draws, DKW bound 0.019 for a failure rate of 1e-6. The two energies take the two branches.
    density, head = toy_density(2, 6), toy_head(2, 6, dtype=torch.float64)
    density.ready[1] = False
    at_mean = head.logits(density.means[0]).numpy()
    assert (wanted > -np.logaddexp(*at_mean)) == (wanted == -1.0)
    seen = head.weight.numpy() @ density.cholesky.numpy()
    both = np.linalg.pinv(seen) @ np.ones(2)  # adds one to both logits; v is what is at right angles to it
    rest = seen[0] - (seen[0] @ both) / (both @ both) * both
    rest /= np.linalg.norm(rest)

    drawn = EnergySampler(energy=wanted)(density, head, 20_000, torch.Generator().manual_seed(0))
    v = rest @ np.linalg.solve(density.cholesky.numpy(), (drawn.features - density.means[0]).numpy().T)
    grid = np.linspace(v.min() - 10, v.max() + 10, 20_001)
    logits = at_mean[:, None] + np.outer(seen @ rest, grid)
    t = np.linalg.norm(both) * (-wanted - np.logaddexp(*logits))
    mass = np.exp(-0.5 * grid**2 - 0.5 * t**2)
    law = mass.cumsum() / mass.sum()
    statistic = stats.kstest(v, lambda x: np.interp(x, grid, law)).statistic
    assert statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 20_000)


@pytest.mark.parametrize("share", [0.96, 0.4])
def test_an_energy_level_equals_rejection(share):
    # One class in d = 3 with three logits; 2 million draws, those within 0.004 of the energy kept (some thousands)
    # against as many exact draws: coordinates, logits and squared radius, two-sample KS for a failure rate of 1e-6 over
    # seven comparisons. The two quantiles of the energy take the two branches of the sampler.
    density, head = toy_density(3, 3), toy_head(3, 3, dtype=torch.float64)
    density.ready[1:] = False
    generator = torch.Generator().manual_seed(0)
    level = float(energy(head.logits(density.sample(5000, generator)[0])).quantile(share))
    assert (level > float(energy(head.logits(density.means[:1])))) == (share == 0.96)
    kept = oracles.rejected_at_values(
        density.means[0],
        density.cholesky,
        lambda h: (energy(head.logits(h)) - level)[:, None],
        0.004,
        2_000_000,
        generator,
    )
    assert len(kept) > 1500
    drawn = EnergySampler(energy=level)(density, head, len(kept), generator)
    ours = drawn.features
    torch.testing.assert_close(energy(head.logits(ours)), torch.full((len(ours),), level).double())
    bound = oracles.ks_critical(len(kept), len(ours), 1e-6 / 7)
    pairs = [*zip(kept.T, ours.T, strict=True), *zip(head.logits(kept).T, head.logits(ours).T, strict=True)]
    for a, b in [*pairs, (density.mahalanobis(kept)[:, 0], drawn.mahalanobis)]:
        assert oracles.ks_distance(a, b) < bound


def test_a_far_energy_is_reached_too(generator):
    # 60 logits above the energy of the class mean: plain proposals would be accepted about never.
    density, head = toy_density(3, 6), toy_head(3, 6, dtype=torch.float64)
    drawn = EnergySampler(energy=60.0)(density, head, 50, generator)
    torch.testing.assert_close(energy(head.logits(drawn.features)), torch.full((150,), 60.0).double())


def test_an_energy_beyond_reach_is_refused(generator):
    density, head = toy_density(2, 4), toy_head(2, 4, dtype=torch.float64)
    with pytest.raises(InfeasibleError, match=r"class 0: 0 of 5 draws reached the energy -1000 in 3 rounds"):
        EnergySampler(energy=-1000.0, max_rounds=3)(density, head, 5, generator)


def test_heads_with_dependent_rows_are_refused(generator):
    head = toy_head(3, 4, dtype=torch.float64)
    head.weight[2] = head.weight[0] + head.weight[1]
    for sampler in (EnergySampler(energy=1.0), LogitSampler(logits=[0.0, 1.0, 2.0], relative=False)):
        with pytest.raises(InfeasibleError, match=r"linearly independent constraints \(of a head: its rows\), got 3"):
            sampler(toy_density(3, 4), head, 1, generator)
    nothing = LinearHead(torch.zeros(3, 4), torch.zeros(3))
    with pytest.raises(InfeasibleError, match="linearly independent"):
        EnergySampler(energy=1.0)(toy_density(3, 4), nothing, 1, generator)


def test_options_that_cannot_work_are_refused(generator):
    with pytest.raises(ConfigError, match="one round"):
        EnergySampler(energy=0.0, max_rounds=0)
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=r"outliers\.energy: expected a finite number"):
            EnergySampler(energy=bad)
    with pytest.raises(NotFittedError):
        EnergySampler(energy=0.0)(ClassConditionalGaussian(2, 4), toy_head(2, 4), 1, generator)
