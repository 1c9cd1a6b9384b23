from __future__ import annotations

import pytest
import torch

from tests.contracts import toy_density, toy_head
from vos.outliers import BoundarySampler, TailSampler
from vos.types import LinearHead


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("sampler", [TailSampler(draws=100), BoundarySampler(band=1.0, distance=0.999)], ids=str)
def test_a_cpu_generator_gives_the_same_draws_on_a_gpu(sampler):
    density, head = toy_density(3, 6), toy_head(3, 6, dtype=torch.float64)
    here = sampler(density, head, 5, torch.Generator().manual_seed(0))
    there = sampler(density.cuda(), LinearHead(*(t.cuda() for t in head)), 5, torch.Generator().manual_seed(0))
    assert {t.device.type for t in (there.features, there.labels, there.mahalanobis)} == {"cuda"}
    torch.testing.assert_close(there.features.cpu(), here.features)
