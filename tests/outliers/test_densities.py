from __future__ import annotations

import pytest
import torch

from tests.contracts import toy_features, toy_head
from vos.density import LowRankGaussian
from vos.metrics.boundary import separation
from vos.outliers import (
    BoundarySampler,
    EnergySampler,
    LogitSampler,
    MixSampler,
    NeighborSampler,
    NoiseSampler,
    TailSampler,
)

FEATURES, LABELS = toy_features(40, 3, 6)


@pytest.mark.parametrize(
    "sampler",
    [
        TailSampler(distance=0.999),
        BoundarySampler(band=0.5, distance=0.9999),
        LogitSampler(logits=[0.1, 0.2, 0.3]),
        EnergySampler(energy=1.0),
        NeighborSampler(memory=lambda: (FEATURES, LABELS)),
        MixSampler(),
        NoiseSampler(),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_every_sampler_draws_from_a_low_rank_density(sampler, generator):
    density, head = LowRankGaussian(3, 6, rank=2).fit(FEATURES, LABELS), toy_head(3, 6, dtype=torch.float64)
    drawn = sampler(density, head, 4, generator)
    own = density.mahalanobis(drawn.features).gather(1, drawn.labels[:, None])[:, 0]
    torch.testing.assert_close(own, drawn.mahalanobis)
    assert torch.isfinite(separation(density, head)).all()
