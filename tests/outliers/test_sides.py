"""Samplers between harmful classes and the others."""

import pytest
import torch
from scipy import stats

from tests.contracts import toy_density, toy_head
from vos.errors import ConfigError
from vos.outliers import BoundarySampler, MixSampler, TailSampler, with_sides


def literal_margin(logits, harmful):
    """Largest harmful logit less the largest other, one point at a time."""
    return [
        max(row[c] for c in harmful) - max(x for c, x in enumerate(row) if c not in harmful) for row in logits.tolist()
    ]


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (0,)), (3, (1,)), (3, (0, 2)), (10, (3,)), (10, (0, 4, 9))])
@pytest.mark.parametrize("rival", ["any", "nearest"])
def test_points_have_the_margin_that_decides_between_the_sides(n_classes, harmful, rival, generator):
    density, head = toy_density(n_classes, 12), toy_head(n_classes, 12)
    sampler = BoundarySampler(
        margin=0.5, band=0.25, distance=None, harmful=harmful, rival=rival, runner_up=True, max_rounds=2000
    )
    drawn = sampler(density, head, 20, generator)
    assert drawn.labels.tolist() == [c for c in range(n_classes) for _ in range(20)]
    logits = drawn.features.double() @ head.weight.double().T + head.bias.double()
    found = literal_margin(logits, harmful)
    assert all(0.25 - 1e-6 <= m <= 0.75 + 1e-6 for m in found)


def test_a_head_that_tells_one_side_apart_badly_still_gives_points(generator):
    density, head = toy_density(3, 6), toy_head(3, 6)
    weight = head.weight.clone()
    weight[1] = weight[0] + 1e-3 * weight[1]  # class 1 stays in the shadow of class 0
    dim = head._replace(weight=weight, bias=torch.tensor([5.0, 0.0, 0.0]).to(weight))
    drawn = BoundarySampler(band=0.0, distance=None, harmful=(2,))(density, dim, 10, generator)
    logits = drawn.features.double() @ dim.weight.double().T + dim.bias.double()
    gaps = (logits[:, 2:] - logits[:, :2]).abs().amin(1)
    assert (gaps < 1e-5).all()  # the margin asked for, against one rival


def test_the_setting_of_the_data_is_filled_in_where_none_is_given():
    assert with_sides(BoundarySampler(), (2,)).harmful == (2,)
    assert with_sides(BoundarySampler(harmful=(0,)), (2,)).harmful == (0,)
    assert with_sides(MixSampler(), (1, 2)).harmful == (1, 2)
    tail = TailSampler(distance=0.9)
    assert with_sides(tail, (1,)) is tail


@pytest.mark.parametrize("sampler", [BoundarySampler(harmful=(3,)), MixSampler(harmful=(0, 1, 2))])
def test_harmful_classes_that_are_not_there(sampler, generator):
    with pytest.raises(ConfigError, match="expected some of the classes 0 to 2"):
        sampler(toy_density(3, 6), toy_head(3, 6), 2, generator)


def test_mixes_cross_the_sides(generator):
    density = toy_density(3, 6)
    drawn = MixSampler(low=0.0, high=0.0, harmful=(2,), memory=lambda: (density.means, torch.arange(3)))(
        density, toy_head(3, 6), 30, generator
    )  # with s = 0 every point is the mean of the other class
    other = (drawn.features.double()[:, None] - density.means[None]).norm(dim=-1).argmin(1)
    assert set(other[drawn.labels == 2].tolist()) == {0, 1}
    assert set(other[drawn.labels != 2].tolist()) == {2}


def test_at_a_distance_the_pairs_that_no_point_has_there_are_passed_over(generator):
    density, head = toy_density(10, 12), toy_head(10, 12)
    sampler = BoundarySampler(margin=0.5, band=0.25, distance=0.999, harmful=(0, 4), runner_up=True, max_rounds=4000)
    drawn = sampler(density, head, 5, generator)
    logits = drawn.features.double() @ head.weight.double().T + head.bias.double()
    assert all(0.25 - 1e-6 <= m <= 0.75 + 1e-6 for m in literal_margin(logits, (0, 4)))
    expected = torch.full_like(drawn.mahalanobis, float(stats.chi2.ppf(0.999, 12)))
    torch.testing.assert_close(drawn.mahalanobis, expected)
