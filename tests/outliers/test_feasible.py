from __future__ import annotations

import pytest
import torch
from scipy import stats

from tests.contracts import toy_density, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import InfeasibleError, NotFittedError
from vos.outliers import (
    BoundarySampler,
    EnergySampler,
    FeasibleDraw,
    LogitSampler,
    TailSampler,
    draw_where_feasible,
)
from vos.outliers._geometry import head_gaps
from vos.types import LinearHead


def far_class():
    """Class 1 of two is 100 standard deviations away from the boundary, class 0 one."""
    density = ClassConditionalGaussian(2, 4)
    density.means.copy_(torch.tensor([[-1.0, 0, 0, 0], [100.0, 0, 0, 0]]))
    density.ready.fill_(True)
    return density, LinearHead(torch.tensor([[-0.5, 0, 0, 0], [0.5, 0, 0, 0]]), torch.zeros(2))


def test_where_all_is_feasible_nothing_changes(generator):
    density, head = toy_density(3, 6), toy_head(3, 6)
    found = draw_where_feasible(TailSampler(distance=0.9), density, head, 4, generator)
    plain = TailSampler(distance=0.9)(density, head, 4, torch.Generator().manual_seed(0))
    assert torch.equal(found.outliers.features, plain.features)
    assert (dict(found.left_out), found.share_left_out) == ({}, 0.0)


def test_the_other_class_gets_what_was_asked_for(generator):
    density, head = far_class()
    sampler = BoundarySampler(distance=0.99, band=0.0)
    with pytest.raises(InfeasibleError) as caught:
        sampler(density, head, 3, generator)
    assert caught.value.classes == (1,)
    found = draw_where_feasible(sampler, density, head, 3, generator)
    assert found.outliers.labels.tolist() == [0, 0, 0]
    torch.testing.assert_close(found.outliers.features[:, 0], torch.zeros(3), atol=1e-6, rtol=0)
    assert found.share_left_out == 0.5
    assert found.warning().startswith("no virtual outliers for class 1 (50% of the classes): class 1: no point has")
    assert "the smallest feasible radius is 100" in found.warning()
    assert density.ready_labels(1).tolist() == [0, 1]  # the density itself is as it was


def test_no_class_can(generator):
    density, head = far_class()
    found = draw_where_feasible(BoundarySampler(margin=1e4, distance=0.99, band=0.0), density, head, 3, generator)
    assert found.outliers is None
    assert (set(found.left_out), found.share_left_out) == ({0, 1}, 1.0)


def test_of_a_pair_one_class_can(generator):
    density, head = toy_density(3, 6), toy_head(3, 6, dtype=torch.float64)
    every = torch.tensor([0, 2])
    gaps = head_gaps(density, head, every, torch.zeros_like(every), torch.full_like(every, 2))
    needed = gaps.distance_to(torch.full((2,), 3.0).double())
    radius = float(needed.mean())
    sampler = BoundarySampler(margin=3.0, pair=[0, 2], distance=float(stats.chi2(6).cdf(radius**2)), band=0.0)
    found = draw_where_feasible(sampler, density, head, 2, generator)
    kept = int(every[needed.argmin()])
    assert found.outliers.labels.tolist() == [kept, kept]
    assert found.share_left_out == 0.5
    nothing = draw_where_feasible(
        BoundarySampler(margin=1e6, pair=[0, 2], distance=0.5, band=0.0), density, head, 2, generator
    )
    assert nothing.outliers is None


def test_points_are_still_measured_against_a_class_left_out(generator):
    density, head = toy_density(3, 6), toy_head(3, 6)
    view = density.without([1])
    h = torch.randn(4, 6, generator=generator)
    assert torch.equal(view.mahalanobis(h), density.mahalanobis(h))
    drawn = BoundarySampler(nearest=True, max_rounds=10_000, band=0.0, distance=None)(view, head, 3, generator)
    assert drawn.labels.unique().tolist() == [0, 2]
    assert torch.equal(density.mahalanobis(drawn.features).argmin(-1), drawn.labels)


def test_a_head_that_allows_nothing_leaves_all_classes_out(generator):
    head = LinearHead(torch.ones(2, 6), torch.zeros(2))
    for sampler in (
        BoundarySampler(margin=1.0, band=0.0, distance=None),
        LogitSampler(logits=[0.0, 1.0], relative=False),
    ):
        found = draw_where_feasible(sampler, toy_density(2, 6), head, 2, generator)
        assert found.outliers is None
        assert found.share_left_out == 1.0
        assert found.warning().count("expected") == 1  # one reason for all of them


@pytest.mark.parametrize(
    "sampler",
    [
        EnergySampler(energy=-1000.0, max_rounds=1),
        BoundarySampler(margin=500.0, nearest=True, max_rounds=1, band=0.0, distance=None),
        LogitSampler(logits=[50.0, 0.0], distance=0.5, relative=False),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_every_infeasible_request_names_its_classes(sampler, generator):
    with pytest.raises(InfeasibleError) as caught:
        sampler(toy_density(2, 6), toy_head(2, 6), 2, generator)
    assert caught.value.classes
    assert set(caught.value.classes) <= {0, 1}


def test_a_density_without_a_fit_is_no_matter_of_classes(generator):
    with pytest.raises(NotFittedError, match="no ready class"):
        draw_where_feasible(TailSampler(distance=0.9), ClassConditionalGaussian(2, 6), toy_head(2, 6), 1, generator)
    with pytest.raises(NotFittedError, match="all that are ready are left out"):
        TailSampler(distance=0.9)(toy_density(2, 6).without([0, 1]), toy_head(2, 6), 1, generator)


def test_a_warning_about_many_classes_stays_one_line_to_read():
    left_out = {c: f"class {c}: no point has margin 0" for c in range(126)}
    said = FeasibleDraw(None, left_out, 0.84).warning()
    assert said == (
        "no virtual outliers for class 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 116 more (84% of the classes): "
        "class 0: no point has margin 0; class 1: no point has margin 0; and 124 more"
    )
