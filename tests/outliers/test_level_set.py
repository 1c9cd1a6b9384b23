from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density
from vos.errors import InfeasibleError
from vos.outliers import EnergySampler, draw_where_feasible
from vos.outliers._level_set import largest_root, level_roots, nearest_of_level, shared_direction
from vos.scores import energy
from vos.types import LinearHead

GAINS = {
    "one logit": [0.0, 1.0],
    "mirrored": [-1.0, 1.0],
    "uneven": [1.0, -0.3],
    "equal rows": [1.0, 1.0],
    "three": [0.7, -1.0, 0.0],
}


def rank_one_head(gains: list[float], d: int, seed: int = 2, dtype: torch.dtype = torch.float64) -> LinearHead:
    """Rows that are multiples of one random row."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.randn(d, generator=generator, dtype=torch.float64)
    bias = torch.randn(len(gains), generator=generator, dtype=torch.float64)
    return LinearHead(torch.outer(torch.tensor(gains).double(), row).to(dtype), bias.to(dtype))


@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("gains", GAINS.values(), ids=GAINS)
def test_the_law_equals_rejection(gains, share):
    # d = 3; of 500,000 draws those within 0.003 of the energy, at most 4,000, against as many exact draws: coordinates,
    # squared radius, and the share of the upper of two values that the head sees, two-sample KS, failure rate 1e-6.
    density, head = toy_density(len(gains), 3), rank_one_head(gains, 3)
    density.ready[1:] = False
    head.bias.sub_(head.weight @ density.means[0])  # a class mean near the bend, where two roots matter
    generator = torch.Generator().manual_seed(0)
    level = float(energy(head.logits(density.sample(5000, generator)[0])).quantile(share))
    kept = oracles.rejected_at_values(
        density.means[0],
        density.cholesky,
        lambda h: (energy(head.logits(h)) - level)[:, None],
        0.003,
        500_000,
        generator,
    )[:4000]
    assert len(kept) > 800
    drawn = EnergySampler(energy=level)(density, head, len(kept), generator)
    torch.testing.assert_close(energy(head.logits(drawn.features)), torch.full((len(kept),), level).double())
    seen, ours = kept @ head.weight[1 - len(gains) % 2], drawn.features @ head.weight[1 - len(gains) % 2]
    middle = 0.5 * (ours.min() + ours.max()) if float(ours.max() - ours.min()) > 1e-6 else -math.inf
    bound = oracles.ks_critical(len(kept), len(kept), 1e-6 / 5)
    assert float((seen > middle).double().mean() - (ours > middle).double().mean()) == pytest.approx(0.0, abs=bound)
    for a, b in [*zip(kept.T, drawn.features.T, strict=True), (density.mahalanobis(kept)[:, 0], drawn.mahalanobis)]:
        assert oracles.ks_distance(a, b) < bound


def test_roots_are_chosen_by_their_density():
    # Slopes of 2 and -0.4 at different distances: the share of each root is that of the mass of N(0, 1) within 1e-6 of
    # the level. 20,000 draws, binomial sd below 0.0036, 5 sigma: a failure rate of 6e-7.
    density = toy_density(2, 4)
    density.means.zero_()
    density.cholesky.copy_(torch.eye(4))
    density.ready[1] = False
    weight = torch.zeros(2, 4, dtype=torch.float64)
    weight[:, 2] = torch.tensor([2.0, -0.4])
    head = LinearHead(weight, torch.tensor([-1.0, 0.3]).double())

    def gap(t: float, level: float) -> float:
        return float(np.logaddexp(2.0 * t - 1.0, 0.3 - 0.4 * t)) - level

    level, mass = 1.5, []
    for low, high in ((0.0, 10.0), (-10.0, 0.0)):
        ends = [optimize.brentq(gap, low, high, args=(level + off,), xtol=1e-14) for off in (-1e-6, 1e-6)]
        mass.append(abs(stats.norm.cdf(ends[0]) - stats.norm.cdf(ends[1])))
    drawn = EnergySampler(energy=-level)(density, head, 20_000, torch.Generator().manual_seed(0))
    share = float((drawn.features[:, 2] > 0.0).double().mean())
    assert 0.05 < mass[0] / sum(mass) < 0.95
    assert share == pytest.approx(mass[0] / sum(mass), abs=5 * 0.0036)
    # What the head does not see is a standard normal: chi-square of three, DKW bound for a failure rate of 1e-6.
    unseen = drawn.features[:, [0, 1, 3]].square().sum(-1)
    assert stats.kstest(unseen.numpy(), stats.chi2(3).cdf).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 20_000)


@pytest.mark.parametrize("tied", [True, False])
def test_it_behaves_as_every_sampler(tied):
    def at_level(density, head, n_per_class, generator):
        gains = torch.tensor([0.0, 1.0, -0.5]).to(head.weight)
        flat = LinearHead(torch.outer(gains, head.weight[0]), head.bias)
        return EnergySampler(energy=-12.0)(density, flat, n_per_class, generator)

    check_outlier_sampler(at_level, 3, tied)


@pytest.mark.parametrize("seed", range(40))
def test_all_roots_are_found(seed):
    generator = torch.Generator().manual_seed(seed)
    c = int(torch.randint(2, 9, (1,), generator=generator))
    nu = 5.0 * torch.randn(c, generator=generator, dtype=torch.float64)
    slopes = (0.01, 1.0, 30.0)[seed % 3] * torch.randn(c, generator=generator, dtype=torch.float64)
    slopes[torch.rand(c, generator=generator) < 0.3] = 0.0
    slopes[0] = 1.0
    level = float(nu.logsumexp(0)) + (-3.0, 1e-9, 0.5, 20.0)[seed % 4]
    grid = torch.linspace(-1.0, 1.0, 200_001, dtype=torch.float64) * 60.0 / float(slopes[slopes != 0.0].abs().min())
    above = torch.logsumexp(nu[:, None] + slopes[:, None] * grid, 0) > level
    at = (above[1:] != above[:-1]).nonzero()[:, 0].flip(0)
    roots = level_roots(nu, slopes, level)
    width = float(grid[1] - grid[0])
    torch.testing.assert_close(roots, 0.5 * (grid[at] + grid[at + 1]), rtol=0.0, atol=width)
    found = torch.logsumexp(nu[:, None] + slopes[:, None] * roots, 0)
    torch.testing.assert_close(found, torch.full_like(found, level), rtol=1e-13, atol=1e-12)


def test_roots_at_the_edges():
    zero, one = torch.zeros(2).double(), torch.tensor([0.0, 1.0]).double()
    assert level_roots(zero, one, 0.0).tolist() == []  # log(1 + exp t) is never zero
    assert level_roots(zero, one, -5.0).tolist() == []
    barely = level_roots(zero, one, 1e-12)
    assert barely.tolist() == [pytest.approx(math.log(1e-12), rel=1e-3)]
    assert level_roots(zero, one, 800.0).tolist() == [800.0]
    mirrored = torch.tensor([-1.0, 1.0]).double()
    assert level_roots(zero, mirrored, math.log(2.0) - 1e-6).tolist() == []
    touching = level_roots(zero, mirrored, math.log(2.0))
    torch.testing.assert_close(touching, zero, rtol=0.0, atol=1e-6)
    assert largest_root(zero, one, 1.0, max_steps=0) is None


def test_rows_have_one_direction_or_none():
    head = rank_one_head([0.0, -1.7, 0.6], 5)
    w, g = shared_direction(head.weight)
    torch.testing.assert_close(torch.outer(g, w), head.weight)
    assert shared_direction(torch.zeros(2, 3).double()) is None
    assert shared_direction(head.weight.float().double()) is not None  # multiples up to rounding
    head.weight[0, 0] += 1e-5
    assert shared_direction(head.weight) is None


def test_an_energy_that_one_logit_never_has_names_its_classes(generator):
    # -logsumexp(0, z) is negative whatever z is.
    head = rank_one_head([0.0, 1.0], 4, dtype=torch.float32)
    head.bias[0] = 0.0
    with pytest.raises(
        InfeasibleError, match=r"class 0: no point has the energy 0\.5\. The rows of the head"
    ) as caught:
        EnergySampler(energy=0.5)(toy_density(2, 4), head, 3, generator)
    assert caught.value.classes == (0,)
    found = draw_where_feasible(EnergySampler(energy=0.5), toy_density(2, 4), head, 3, generator)
    assert (found.outliers, set(found.left_out)) == (None, {0, 1})
    assert len(EnergySampler(energy=-0.5)(toy_density(2, 4), head, 3, generator)) == 6


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
