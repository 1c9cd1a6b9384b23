from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, InfeasibleError, NotFittedError
from vos.outliers import EnergySampler, LogitSampler
from vos.outliers.levels import nearest_of_level
from vos.scores import energy
from vos.types import LinearHead


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_they_behave_as_every_sampler(n_classes, tied):
    logits = [0.5, -0.2, 0.1][:n_classes]
    check_outlier_sampler(LogitSampler(logits=logits, relative=False), n_classes, tied)
    check_outlier_sampler(LogitSampler(logits=logits, relative=True, distance=0.99999999), n_classes, tied)
    check_outlier_sampler(EnergySampler(energy=-2.0), n_classes, tied)
    check_outlier_sampler(EnergySampler(energy=3.0), n_classes, tied)


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_met(tied, generator):
    density, head = toy_density(3, 6, tied), toy_head(3, 6, dtype=torch.float64)
    wanted = torch.tensor([1.0, -1.0, 0.3], dtype=torch.float64)
    drawn = LogitSampler(logits=wanted.tolist(), relative=False)(density, head, 5, generator)
    torch.testing.assert_close(head.logits(drawn.features), wanted.expand(15, 3))
    relative = LogitSampler(logits=wanted.tolist(), relative=True)(density, head, 5, generator)
    logits = head.logits(relative.features)
    torch.testing.assert_close(logits - logits[:, :1], (wanted - wanted[0]).expand(15, 3))
    assert logits[:, 0].std() > 0.1
    shell = LogitSampler(logits=[0.0] * 3, relative=True, distance=1 - 1e-12)(density, head, 5, generator)
    torch.testing.assert_close(shell.mahalanobis, torch.full((15,), float(stats.chi2(6).ppf(1 - 1e-12))).double())


@pytest.mark.parametrize("relative", [True, False])
def test_prescribed_logits_equal_rejection(relative):
    # d = 4 and two logits; of 2 million draws those within 0.05 of what is prescribed (some thousands) against as many
    # exact draws: coordinates, logits and squared radius, two-sample KS for a failure rate of 1e-6 over seven.
    density, head = toy_density(2, 4), toy_head(2, 4, dtype=torch.float64)
    density.ready[1] = False
    wanted = head.logits(density.means[0]) + torch.tensor([0.6, -0.4]).double()

    def gaps(h):
        off = head.logits(h) - wanted
        return off[:, 1:] - off[:, :1] if relative else off

    generator = torch.Generator().manual_seed(0)
    kept = oracles.rejected_at_values(density.means[0], density.cholesky, gaps, 0.05, 2_000_000, generator)[:8000]
    assert len(kept) > 800
    drawn = LogitSampler(logits=wanted.tolist(), relative=relative)(density, head, len(kept), generator)
    pairs = [*zip(kept.T, drawn.features.T, strict=True), (density.mahalanobis(kept)[:, 0], drawn.mahalanobis)]
    if relative:  # else the logits of what is kept fill the tolerance, and those of the draws are a point
        pairs += zip(head.logits(kept).T, head.logits(drawn.features).T, strict=True)
    for a, b in pairs:
        assert oracles.ks_distance(a, b) < oracles.ks_critical(len(kept), len(kept), 1e-6 / 7)


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


@settings(max_examples=100, deadline=None)
@given(
    c=st.integers(2, 8), seed=st.integers(0, 10_000), drop=st.floats(0.01, 30.0), scale=st.sampled_from([0.3, 1.0, 5.0])
)
def test_the_nearest_point_of_a_level_is_found(c, seed, drop, scale):
    generator = torch.Generator().manual_seed(seed)
    nu = 3.0 * torch.randn(c, generator=generator, dtype=torch.float64)
    r = torch.linalg.qr(scale * torch.randn(c, c, generator=generator, dtype=torch.float64) + torch.eye(c)).R
    level = float(torch.logsumexp(nu, 0)) - drop
    y = nearest_of_level(nu, r, level)
    assert float(torch.logsumexp(nu + y @ r, 0)) == pytest.approx(level, abs=1e-8)
    # No point of the level is nearer: it is the only one whose position is against the gradient.
    gradient = r @ (nu + y @ r).softmax(0)
    cosine = float(-(y @ gradient) / (y.norm() * gradient.norm()))
    assert cosine == pytest.approx(1.0, abs=1e-9)


def check_random_head(seed: int) -> None:
    """2 to 24 classes, scales and levels over several orders of magnitude, some roots with nearly dependent rows."""
    generator = torch.Generator().manual_seed(seed)
    c = int(torch.randint(2, 25, (1,), generator=generator))
    scale = (0.1, 0.3, 1.0, 5.0, 30.0)[seed % 5]
    drop = (0.001, 0.1, 3.0, 30.0, 300.0)[seed // 5 % 5]
    d = c + (0, 4, 20)[seed % 3]
    nu = 3.0 * torch.randn(c, generator=generator, dtype=torch.float64)
    r = torch.linalg.qr(scale * torch.randn(d, c, generator=generator, dtype=torch.float64)).R
    level = float(torch.logsumexp(nu, 0)) - drop
    y = nearest_of_level(nu, r, level)
    assert float(torch.logsumexp(nu + y @ r, 0)) == pytest.approx(level, rel=1e-9, abs=1e-9), seed
    gradient = r @ (nu + y @ r).softmax(0)
    assert float(-(y @ gradient) / (y.norm() * gradient.norm())) == pytest.approx(1.0, abs=1e-9), seed


def test_the_nearest_point_is_found_for_random_heads():
    for seed in range(100):
        check_random_head(seed)


@pytest.mark.slow
def test_the_nearest_point_is_found_for_thousands_of_random_heads():
    for seed in range(100, 4000):
        check_random_head(seed)


def test_the_nearest_point_agrees_with_a_general_optimiser():
    nu, r = (
        torch.tensor([2.0, 1.0, -1.0]).double(),
        torch.tensor([[1.0, 0.4, -0.2], [0, 0.8, 0.3], [0, 0, 1.5]]).double(),
    )
    theirs = optimize.minimize(
        lambda y: 0.5 * y @ y,
        [0.0] * 3,
        method="SLSQP",
        options={"ftol": 1e-14},
        constraints={"type": "eq", "fun": lambda y: torch.logsumexp(nu + torch.as_tensor(y) @ r, 0).item() + 1.0},
    )
    torch.testing.assert_close(nearest_of_level(nu, r, -1.0), torch.as_tensor(theirs.x), rtol=1e-5, atol=1e-6)


def test_newton_that_does_not_converge_says_so():
    with pytest.raises(InfeasibleError, match="0 Newton steps"):
        nearest_of_level(torch.tensor([2.0, 1.0]).double(), torch.eye(2).double(), -1.0, max_steps=0)


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
    with pytest.raises(ConfigError, match="at least two"):
        LogitSampler(logits=[1.0], relative=False)
    with pytest.raises(ConfigError, match=r"\(0, 1\)"):
        LogitSampler(logits=[1.0, 0.0], distance=1.0, relative=False)
    with pytest.raises(ConfigError, match="one round"):
        EnergySampler(energy=0.0, max_rounds=0)
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=r"outliers\.logits: expected finite numbers"):
            LogitSampler(logits=[0.0, bad], relative=False)
        with pytest.raises(ConfigError, match=r"outliers\.energy: expected a finite number"):
            EnergySampler(energy=bad)
    with pytest.raises(ConfigError, match="expected 3, got 2"):
        LogitSampler(logits=[1.0, 0.0], relative=False)(toy_density(3, 4), toy_head(3, 4), 1, generator)
    with pytest.raises(InfeasibleError, match="class 0: no point has margin 50"):
        LogitSampler(logits=[50.0, 0.0], distance=0.5, relative=False)(toy_density(2, 4), toy_head(2, 4), 1, generator)
    with pytest.raises(NotFittedError):
        EnergySampler(energy=0.0)(ClassConditionalGaussian(2, 4), toy_head(2, 4), 1, generator)
