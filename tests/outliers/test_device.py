from __future__ import annotations

import pytest
import torch

from tests.contracts import toy_density, toy_features, toy_head
from tests.outliers.samplers import NAMES, every_sampler
from vos.types import LinearHead


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tied", [True, False])
def test_a_cpu_generator_gives_the_same_draws_on_a_gpu(name, tied):
    sampler, head = every_sampler(3, 6)[name], toy_head(3, 6, dtype=torch.float64)
    here = sampler(toy_density(3, 6, tied), head, 5, torch.Generator().manual_seed(0))
    there = sampler(
        toy_density(3, 6, tied).cuda(), LinearHead(*(t.cuda() for t in head)), 5, torch.Generator().manual_seed(0)
    )
    assert {t.device.type for t in (there.features, there.labels, there.mahalanobis)} == {"cuda"}
    torch.testing.assert_close(there.features.cpu(), here.features)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("calibrated", [True, False])
def test_no_tensor_is_made_on_the_default_device(name, tied, calibrated):
    # A tensor that forgets the device of the density lands on the default one. Where that is a device without values,
    # nothing that touches such a tensor can give the draws that it gives without it.
    sampler, head = every_sampler(3, 6)[name], toy_head(3, 6, dtype=torch.float64)
    density = toy_density(3, 6, tied)
    if calibrated:
        density.calibrate(*toy_features(60, 3, 6, seed=2))
    here = sampler(density, head, 5, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        there = sampler(density, head, 5, generator)
    assert torch.equal(there.features, here.features)
    assert torch.equal(there.mahalanobis, here.mahalanobis)
