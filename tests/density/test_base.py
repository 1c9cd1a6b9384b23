from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import oracles
from tests.contracts import toy_density, toy_features, toy_head
from vos.density import ClassConditionalGaussian, LowRankGaussian
from vos.errors import NotFittedError
from vos.outliers import BoundarySampler, TailSampler
from vos.outliers.feasible import draw_where_feasible

DENSITIES = {
    "tied": lambda c, d: ClassConditionalGaussian(c, d),
    "per_class": lambda c, d: ClassConditionalGaussian(c, d, tied=False),
    "low_rank": lambda c, d: LowRankGaussian(c, d, rank=2),
}
ALL = pytest.mark.parametrize("density", DENSITIES)


def moved(density, offset, spread, gap):
    """Two classes of features (60, 4) with this spread, `gap` apart, both far from zero; fitted, with the features."""
    noise = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(2).repeat_interleave(30)
    features = offset + spread * noise + gap * labels[:, None]
    return DENSITIES[density](2, 4).fit(features, labels), features, labels


@ALL
@pytest.mark.parametrize(
    ("offset", "spread", "gap"),
    [(1e6, 1e-2, 1e-1), (1e6, 1e-2, 1e6), (0.0, 1e-2, 1e6)],
    ids=["offset", "offset and gap", "gap"],
)
def test_distances_do_not_cancel_far_from_zero_or_between_far_classes(density, offset, spread, gap):
    fitted, features, labels = moved(density, offset, spread, gap)
    root = [fitted._apply_factor(torch.eye(4).double(), c) for c in range(2)]
    covariances = torch.stack([r.mT @ r for r in root]).numpy()
    expected = oracles.naive_mahalanobis(features.numpy(), fitted.means.numpy(), covariances)
    found = fitted.mahalanobis(features)
    # A shared center between classes 1e8 deviations apart costs half of the digits of a distance to the own one.
    rtol = 1e-10 if gap < 1.0 or density == "per_class" else 1e-6
    own = np.arange(60), labels.numpy()
    np.testing.assert_allclose(found[own], expected[own], rtol=rtol)
    np.testing.assert_allclose(found, expected, rtol=rtol)


@ALL
def test_what_is_left_out_stays_left_out(density):
    fitted = DENSITIES[density](4, 6).fit(*toy_features(20, 4, 6))
    view = fitted.without([2]).without(c for c in (0, 2))
    assert view.ready_labels(1).tolist() == [1, 3]
    assert view.without([]).ready_labels(1).tolist() == [1, 3]
    assert view.sample(2, torch.Generator().manual_seed(0))[1].tolist() == [1, 1, 3, 3]
    assert fitted.ready_labels(1).tolist() == [0, 1, 2, 3]  # the density itself is as it was
    with pytest.raises(NotFittedError, match=r"left out: \(0, 1, 2, 3\)"):
        view.without([1, 3]).ready_labels(1)


def test_no_draw_is_made_for_a_class_that_the_density_leaves_out(generator):
    density, head = toy_density(3, 6), toy_head(3, 6)
    drawn = draw_where_feasible(TailSampler(distance=0.9), density.without([1]), head, 2, generator)
    assert drawn.outliers.labels.tolist() == [0, 0, 2, 2]
    assert not drawn.left_out
    assert drawn.share_left_out == 0.0


def test_a_head_that_allows_nothing_gives_no_reason_for_a_class_not_asked_for(generator):
    head = toy_head(3, 6)
    head.weight[1:] = head.weight[0]
    head.bias[:] = 0.0
    drawn = draw_where_feasible(
        BoundarySampler(margin=1.0, band=0.0, distance=None), toy_density(3, 6).without([1]), head, 2, generator
    )
    assert drawn.outliers is None
    assert sorted(drawn.left_out) == [0, 2]
