from __future__ import annotations

import pytest
import torch

from tests.contracts import check_batch_equals_loop, toy_features, toy_head
from tests.outliers.samplers import NAMES, every_sampler
from vos.density import LowRankGaussian
from vos.metrics.boundary import standardized_distance

FEATURES, LABELS = toy_features(40, 3, 6)


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_draws_from_a_low_rank_density(name, generator):
    density, head = LowRankGaussian(3, 6, rank=2).fit(FEATURES, LABELS), toy_head(3, 6, dtype=torch.float64)
    drawn = every_sampler(3, 6)[name](density, head, 4, generator)
    own = density.mahalanobis(drawn.features).gather(1, drawn.labels[:, None])[:, 0]
    torch.testing.assert_close(own, drawn.mahalanobis)
    assert torch.isfinite(standardized_distance(density, head, ())).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_draws_a_batch_as_it_draws_one_by_one(name):
    check_batch_equals_loop(every_sampler(3, 6)[name])
