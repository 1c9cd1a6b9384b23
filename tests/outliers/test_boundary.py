from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_features, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, InfeasibleError, NotFittedError
from vos.outliers import BoundarySampler, draw_at_margin, draw_where_feasible, smallest_feasible_radius
from vos.types import LinearHead

SAMPLERS = [
    BoundarySampler(band=0.0, distance=None),
    BoundarySampler(margin=0.5, band=1.0, distance=None),
    BoundarySampler(distance=0.99999, band=0.5),
]


def problem(d: int, seed: int = 0):
    """Mean, factor, normal, offset of one class; float64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(d, generator=generator, dtype=torch.float64)
    root = torch.randn(d, d, generator=generator, dtype=torch.float64)
    cholesky = torch.linalg.cholesky(root @ root.mT + 0.1 * torch.eye(d))
    return mean, cholesky, torch.randn(d, generator=generator, dtype=torch.float64), 0.3


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize(("n_classes", "tied"), [(2, True), (2, False), (3, True), (3, False)])
def test_behaves_as_every_sampler(sampler, n_classes, tied):
    check_outlier_sampler(sampler, n_classes, tied)


@pytest.mark.parametrize("tied", [True, False])
def test_every_option_behaves_as_every_sampler(tied):
    common = {
        "margin": 2.0 if tied else 0.0,
        "band": 0.2,
        "distance": None,
        "max_rounds": 10_000,
    }  # margins that are not rare
    check_outlier_sampler(BoundarySampler(nearest=True, **common), 3, tied)
    check_outlier_sampler(BoundarySampler(runner_up=True, **common), 3, tied)
    check_outlier_sampler(BoundarySampler(pair=(2, 0), band=0.2, distance=None), 3, tied, drawn_from=(0, 2))
    every = BoundarySampler(pair=(2, 1), band=0.2, runner_up=True, nearest=True, max_rounds=10_000, distance=None)
    check_outlier_sampler(every, 3, tied, drawn_from=(1, 2))


@settings(max_examples=100, deadline=None)
@given(d=st.integers(2, 12), seed=st.integers(0, 10_000), margin=st.floats(-50, 50), stretch=st.floats(1.0, 100.0))
def test_margin_and_radius_are_met_exactly(d, seed, margin, stretch):
    mean, cholesky, normal, offset = problem(d, seed)
    margins = torch.full((5,), margin, dtype=torch.float64)
    radii = stretch * smallest_feasible_radius(mean, cholesky, normal, offset, margins) + 1e-3
    h = draw_at_margin(mean, cholesky, normal, offset, margins, radii, torch.Generator().manual_seed(seed))
    scale = h.norm(dim=1) * normal.norm() + 1.0
    assert ((h @ normal + offset - margins).abs() / scale < 1e-11).all()
    z = torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).mT
    torch.testing.assert_close(z.norm(dim=1), radii, rtol=1e-7, atol=1e-9)


def test_the_smallest_radius_is_where_sphere_and_plane_touch():
    mean, cholesky, normal, offset = problem(4)
    margins = torch.tensor([-3.0, 0.0, 5.0], dtype=torch.float64)
    smallest = smallest_feasible_radius(mean, cholesky, normal, offset, margins)
    variance = normal @ cholesky @ cholesky.mT @ normal
    torch.testing.assert_close(smallest, (margins - normal @ mean - offset).abs() / variance.sqrt())
    generator = torch.Generator().manual_seed(0)
    h = draw_at_margin(mean, cholesky, normal, offset, margins, smallest, generator)
    again = draw_at_margin(mean, cholesky, normal, offset, margins, smallest, generator)
    torch.testing.assert_close(h, again)  # a single point is left
    with pytest.raises(InfeasibleError, match="no point has margin"):
        draw_at_margin(mean, cholesky, normal, offset, margins, smallest * 0.999, generator)
    at_mean = smallest_feasible_radius(mean, cholesky, normal, offset, normal @ mean + offset + torch.zeros(1))
    assert float(at_mean) == 0.0


def test_the_natural_law_equals_rejection():
    # d = 4; 1.5 million draws, those within 0.01 of the margin kept (a few thousand) against as many exact draws. All
    # coordinates and the squared radius: two-sample KS for a failure rate of 1e-6 over five comparisons.
    mean, cholesky, normal, offset = problem(4, seed=3)
    generator = torch.Generator().manual_seed(0)
    margin = float(normal @ mean + offset) + 1.0
    kept = oracles.rejected_at_margin(mean, cholesky, normal, offset, margin, 0.01, 1_500_000, generator)
    assert len(kept) > 2000
    ours = draw_at_margin(
        mean, cholesky, normal, offset, torch.full((len(kept),), margin, dtype=torch.float64), None, generator
    )
    bound = oracles.ks_critical(len(kept), len(ours), 1e-6 / 5)

    def squared(h):
        return torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).square().sum(0)

    for a, b in [*zip(kept.T, ours.T, strict=True), (squared(kept), squared(ours))]:
        assert oracles.ks_distance(a, b) < bound


def test_given_margin_and_radius_the_rest_is_a_uniform_direction():
    # d = 4 leaves the unit sphere in three dimensions, whose coordinates are uniform on [-1, 1]. n = 4,000, DKW bound
    # for a failure rate of 1e-6 over three coordinates.
    mean, cholesky, normal, offset = problem(4)
    margins = torch.full((4000,), 1.0, dtype=torch.float64)
    h = draw_at_margin(mean, cholesky, normal, offset, margins, 9.0 * margins, torch.Generator().manual_seed(0))
    z = torch.linalg.solve_triangular(cholesky, (h - mean).mT, upper=False).mT
    basis = torch.linalg.qr(torch.cat([(normal @ cholesky)[:, None], torch.eye(4).double()[:, :3]], 1)).Q[:, 1:]
    rest = z @ basis
    torch.testing.assert_close(rest.norm(dim=1), rest.norm(dim=1)[:1].expand(4000))
    bound = math.sqrt(-0.5 * math.log(1e-6 / 6) / 4000)
    for coordinate in (rest / rest.norm(dim=1, keepdim=True)).T:
        assert stats.kstest(coordinate.numpy(), stats.uniform(-1, 2).cdf).statistic < bound


def test_one_feature_leaves_one_radius(generator):
    mean, cholesky, normal, offset = problem(1)
    margins = torch.tensor([2.0], dtype=torch.float64)
    h = draw_at_margin(mean, cholesky, normal, offset, margins, None, generator)
    torch.testing.assert_close(h @ normal + offset, margins)
    radius = smallest_feasible_radius(mean, cholesky, normal, offset, margins)
    for stretch in (1.0, 1.0 + 1e-10):
        again = draw_at_margin(mean, cholesky, normal, offset, margins, stretch * radius, generator)
        torch.testing.assert_close(again, h, rtol=1e-12, atol=1e-12)
    with pytest.raises(InfeasibleError, match="no point has margin 2"):
        draw_at_margin(mean, cholesky, normal, offset, margins, 2 * radius, generator)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("distance", [None, 0.9999])
def test_two_classes_share_one_signed_margin(tied, distance):
    density, head = toy_density(2, 6, tied), toy_head(2, 6, dtype=torch.float64)
    sampler = BoundarySampler(margin=1.5, distance=distance, band=0.0)
    drawn = sampler(density, head, 20, torch.Generator().manual_seed(0))
    logits = head.logits(drawn.features)
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], torch.full((40,), 1.5).double())
    if distance is not None:
        radius = torch.full((40,), float(stats.chi2(6).ppf(distance))).double()
        torch.testing.assert_close(drawn.mahalanobis, radius)


@pytest.mark.parametrize("tied", [True, False])
def test_many_classes_take_the_margin_against_a_rival(tied):
    density, head = toy_density(4, 6, tied), toy_head(4, 6, dtype=torch.float64)
    drawn = BoundarySampler(margin=0.7, band=0.0, distance=None)(density, head, 300, torch.Generator().manual_seed(0))
    logits = head.logits(drawn.features)
    gaps = logits.gather(1, drawn.labels[:, None]) - logits
    met = (gaps - 0.7).abs() < 1e-9
    assert (met.sum(1) == 1).all()
    rivals = met.long().argmax(1)
    # Uniform over three rivals: 300 draws a class, binomial counts of mean 100 and sd 8.2, 5.5 sigma over 12 counts.
    for c in range(4):
        counts = torch.bincount(rivals[drawn.labels == c], minlength=4)
        assert counts[c] == 0
        assert (counts[[j for j in range(4) if j != c]] - 100).abs().max() < 45


def test_rivals_are_ready_and_a_lonely_class_takes_any():
    features, labels = toy_features(10, 4, 6)
    head = toy_head(4, 6, dtype=torch.float64)
    for classes, rivals_allowed in (((0, 3), {0: {3}, 3: {0}}), ((1,), {1: {0, 2, 3}})):
        rows = torch.isin(labels, torch.tensor(classes))
        density = ClassConditionalGaussian(4, 6).fit(features[rows], labels[rows])
        drawn = BoundarySampler(band=0.0, distance=None)(density, head, 100, torch.Generator().manual_seed(0))
        logits = head.logits(drawn.features)
        met = (logits.gather(1, drawn.labels[:, None]) - logits).abs() < 1e-9
        met.scatter_(1, drawn.labels[:, None], False)
        for c in classes:
            assert set(met[drawn.labels == c].long().argmax(1).tolist()) == rivals_allowed[c]


@pytest.mark.parametrize("tied", [True, False])
def test_the_nearest_rival_is_the_one_of_the_smallest_radius(tied):
    density, head = toy_density(5, 6, tied), toy_head(5, 6, dtype=torch.float64)
    sampler = BoundarySampler(rival="nearest", band=0.0, distance=None)
    drawn = sampler(density, head, 2, torch.Generator().manual_seed(0))
    logits = head.logits(drawn.features)
    met = ((logits.gather(1, drawn.labels[:, None]) - logits).abs() < 1e-9).scatter(1, drawn.labels[:, None], False)
    for c in range(5):
        normals, offsets = head.weight[c] - head.weight, head.bias[c] - head.bias
        factor = density.cholesky if tied else density.cholesky[c]
        radii = smallest_feasible_radius(density.means[c], factor, normals, offsets, torch.zeros(5).double())
        radii[c] = math.inf
        assert met[drawn.labels == c].long().argmax(1).tolist() == [int(radii.argmin())] * 2


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_head_scales_the_margins_alone(scale):
    density, head = toy_density(2, 6), toy_head(2, 6, dtype=torch.float64)
    scaled = LinearHead(scale * head.weight, scale * head.bias)
    plain = BoundarySampler(margin=0.5, band=0.1, distance=None)(density, head, 5, torch.Generator().manual_seed(0))
    drawn = BoundarySampler(margin=0.5 * scale, band=0.1 * scale, distance=None)(
        density, scaled, 5, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(drawn.features, plain.features)


def test_a_band_is_filled_evenly():
    # 4,000 margins against the uniform law on [-0.5, 1.5], DKW bound for a failure rate of 1e-6.
    density, head = toy_density(2, 6), toy_head(2, 6, dtype=torch.float64)
    drawn = BoundarySampler(margin=0.5, band=1.0, distance=None)(density, head, 2000, torch.Generator().manual_seed(0))
    logits = head.logits(drawn.features)
    bound = math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)
    margins = (logits[:, 1] - logits[:, 0]).numpy()
    assert stats.kstest(margins, stats.uniform(-0.5, 2).cdf).statistic < bound


def far_apart() -> tuple[ClassConditionalGaussian, LinearHead]:
    """Two classes whose means are 3 standard deviations from the boundary at zero; unit covariance, d = 4."""
    density = ClassConditionalGaussian(2, 4)
    density.means[:, 0] = torch.tensor([-3.0, 3.0])
    density.ready.fill_(True)
    weight = torch.zeros(2, 4)
    weight[1, 0] = 1.0
    return density, LinearHead(weight, torch.zeros(2))


def test_what_cannot_be_is_refused_with_the_radius_that_can(generator):
    density, head = far_apart()
    message = (
        r"class 0: no point has margin 0 at Mahalanobis radius 1\.832; the smallest feasible radius is 3, "
        r"a distance of 0\.93890"
    )
    with pytest.raises(InfeasibleError, match=message):
        BoundarySampler(distance=0.5, band=0.0)(density, head, 2, generator)
    needed = float(stats.chi2(4).cdf(9.0))
    BoundarySampler(distance=needed + 1e-6, band=0.0)(density, head, 2, generator)
    # r = 6.65 in four dimensions: sf = exp(-r²/2) (1 + r²/2) = 5.77e-9.
    with pytest.raises(InfeasibleError, match=r"a distance of 1 - 5\.77e-09\. Ask"):
        BoundarySampler(margin=3.65, distance=0.99, band=0.0)(density, head, 2, generator)
    with pytest.raises(InfeasibleError, match="1 to all digits"):
        BoundarySampler(margin=100.0, distance=0.99, band=0.0)(density, head, 2, generator)


def test_a_head_that_does_not_tell_classes_apart_is_refused(generator):
    density = toy_density(2, 4)
    head = LinearHead(torch.ones(2, 4), torch.tensor([0.0, 1.0]))
    with pytest.raises(InfeasibleError, match="equal rows"):
        BoundarySampler(band=0.0, distance=None)(density, head, 2, generator)
    with pytest.raises(InfeasibleError, match="equal rows"):  # the margin that every point has
        BoundarySampler(margin=1.0, distance=0.9, band=0.0)(density, head, 2, generator)
    with pytest.raises(InfeasibleError, match="equal rows") as caught:
        BoundarySampler(margin=2.0, distance=0.9, pair=(1, 0), band=0.0)(density, head, 2, generator)
    assert caught.value.classes == (0, 1)
    mean, cholesky, normal, offset = problem(4)
    ones = torch.ones(1, dtype=torch.float64)
    with pytest.raises(InfeasibleError, match="smallest feasible radius is inf"):
        draw_at_margin(mean, cholesky, 0.0 * normal, offset, ones, ones, generator)
    with pytest.raises(InfeasibleError, match="equal rows"):
        draw_at_margin(mean, cholesky, 0.0 * normal, offset, ones, None, generator)


@pytest.mark.parametrize("tied", [True, False])
def test_a_class_with_the_same_row_is_no_rival(tied):
    # Classes 1 and 2 share a row: each has the rivals 0 and 3, and 0 and 3 have all others. 300 draws a class: binomial
    # counts of sd below 8.7 around their means, 5.5 sigma over 10 counts, a failure rate of 4e-7.
    density, head = toy_density(4, 6, tied), toy_head(4, 6, dtype=torch.float64)
    head.weight[2] = head.weight[1]
    head.bias[2] += 1.0
    drawn = BoundarySampler(margin=0.7, band=0.0, distance=None)(density, head, 300, torch.Generator().manual_seed(0))
    logits = head.logits(drawn.features)
    met = (logits.gather(1, drawn.labels[:, None]) - logits - 0.7).abs() < 1e-9
    assert (met.sum(1) == 1).all()
    rivals = met.long().argmax(1)
    for c, allowed in ((0, [1, 2, 3]), (1, [0, 3]), (2, [0, 3]), (3, [0, 1, 2])):
        counts = torch.bincount(rivals[drawn.labels == c], minlength=4)
        assert counts[allowed].sum() == 300
        assert (counts[allowed] - 300 / len(allowed)).abs().max() < 5.5 * 8.7


def test_classes_that_all_share_one_row_have_no_margin(generator):
    # Classes 1 and 2 are ready and share a row; class 0 is told apart from both, and is not ready.
    density, head = toy_density(3, 6), toy_head(3, 6)
    head.weight[2] = head.weight[1]
    sampler = BoundarySampler(band=1.0, distance=None)
    assert draw_where_feasible(sampler, density, head, 2, generator).left_out == {}
    density.ready[0] = False
    with pytest.raises(InfeasibleError, match="equal rows") as caught:
        sampler(density, head, 2, generator)
    assert caught.value.classes == (1, 2)
    more, head = toy_density(4, 6), toy_head(4, 6)
    more.ready[3] = False
    head.weight[1:3] = head.weight[0]
    with pytest.raises(InfeasibleError, match="equal rows") as caught:
        sampler(more, head, 2, generator)
    assert caught.value.classes == (0, 1, 2)


def test_one_pair_of_equal_rows_costs_no_class_its_outliers():
    density, head = toy_density(20, 8), toy_head(20, 8)
    head.weight[1] = head.weight[0]
    for seed in range(30):
        drawn = BoundarySampler(band=1.0, distance=None)(density, head, 4, torch.Generator().manual_seed(seed))
        assert len(drawn) == 80


@pytest.mark.parametrize(
    "options", [{"band": -1.0}, {"margin": math.nan}, {"band": math.inf}, {"distance": 1.0}, {"rival": "best"}]
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError, match="outliers"):
        BoundarySampler(**options)


def test_calls_that_cannot_work_are_refused(generator):
    with pytest.raises(ConfigError, match="two classes"):
        BoundarySampler(band=0.0, distance=None)(toy_density(1, 4), toy_head(1, 4), 2, generator)
    with pytest.raises(NotFittedError, match="call fit"):
        BoundarySampler(band=0.0, distance=None)(ClassConditionalGaussian(2, 4), toy_head(2, 4), 2, generator)


def test_a_pair_has_one_margin_and_two_classes():
    density, head = toy_density(4, 6), toy_head(4, 6, dtype=torch.float64)
    drawn = BoundarySampler(pair=(3, 1), margin=0.4, band=0.0, distance=None)(
        density, head, 6, torch.Generator().manual_seed(0)
    )
    assert drawn.labels.tolist() == [1] * 6 + [3] * 6
    logits = head.logits(drawn.features)
    torch.testing.assert_close(logits[:, 3] - logits[:, 1], torch.full((12,), 0.4).double())
    density.ready[1] = False
    assert BoundarySampler(pair=[3, 1], band=0.0, distance=None)(
        density, head, 2, torch.Generator().manual_seed(0)
    ).labels.tolist() == [3, 3]


def best_head(density: ClassConditionalGaussian) -> LinearHead:
    """The head whose logits are the log-densities of unit Gaussians at the class means, up to a constant."""
    return LinearHead(density.means, -0.5 * density.means.square().sum(-1))


@pytest.mark.parametrize("tied", [True, False])
def test_inequalities_hold_and_the_law_is_that_of_plain_rejection(tied):
    # Of 30,000 plain draws of a class those that pass (some thousands) against those of the sampler: two-sample KS of
    # all coordinates for a failure rate of 1e-6 over six comparisons.
    density = toy_density(3, 6, tied)
    head = best_head(density)
    generator = torch.Generator().manual_seed(0)
    plain = BoundarySampler(pair=(0, 2), band=0.0, distance=None)(density, head, 30_000, generator)

    def passes(drawn):
        logits = head.logits(drawn.features)
        distances = density.mahalanobis(drawn.features)
        own = distances.gather(1, drawn.labels[:, None])[:, 0]
        return (logits[:, 1] <= logits[:, [0, 2]].amin(1)) & (own <= distances.amin(1) * (1 + 1e-9))

    drawn = BoundarySampler(pair=(0, 2), runner_up=True, nearest=True, band=0.0, distance=None)(
        density, head, 1500, generator
    )
    assert passes(drawn).all()
    kept = passes(plain)
    assert not kept.all()
    x = plain.features[kept & (plain.labels == 0)]
    y = drawn.features[drawn.labels == 0]
    assert len(x) > 1000
    for a, b in zip(x.T, y.T, strict=True):
        assert oracles.ks_distance(a, b) < oracles.ks_critical(len(x), len(y), 1e-6 / 6)


def test_the_runner_up_of_many_classes_decides():
    density, head = toy_density(4, 6), toy_head(4, 6, dtype=torch.float64)
    drawn = BoundarySampler(margin=0.2, runner_up=True, band=0.0, distance=None)(
        density, head, 30, torch.Generator().manual_seed(0)
    )
    logits = head.logits(drawn.features)
    top = logits.topk(2)
    torch.testing.assert_close(top.values[:, 0] - top.values[:, 1], torch.full((120,), 0.2).double())
    assert torch.equal(top.indices[:, 0], drawn.labels)


def test_rejection_without_end_is_refused(generator):
    density, head = toy_density(3, 4), toy_head(3, 4, dtype=torch.float64)
    head.bias[1] += 1e3  # the third logit of the pair always wins
    message = r"class 0: 4 of 4 points did not pass runner_up=True, nearest=False in 7 rounds"
    with pytest.raises(InfeasibleError, match=message):
        BoundarySampler(pair=(0, 2), runner_up=True, max_rounds=7, band=0.0, distance=None)(density, head, 2, generator)


def test_pairs_that_are_none_are_refused(generator):
    for pair in ((1, 1), (0,), (-1, 0)):
        with pytest.raises(ConfigError, match="two different classes"):
            BoundarySampler(pair=pair, band=0.0, distance=None)
    with pytest.raises(ConfigError, match=r"\[0, 2\)"):
        BoundarySampler(pair=(0, 2), band=0.0, distance=None)(toy_density(2, 4), toy_head(2, 4), 1, generator)
    partial = toy_density(3, 4)
    partial.ready[1:] = False
    with pytest.raises(NotFittedError, match="none to draw from"):
        BoundarySampler(pair=(1, 2), band=0.0, distance=None)(partial, toy_head(3, 4), 1, generator)
    with pytest.raises(ConfigError, match="one round"):
        BoundarySampler(max_rounds=0, band=0.0, distance=None)
