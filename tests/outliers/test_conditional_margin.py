from __future__ import annotations

import pytest
import torch

from vos.errors import InfeasibleError
from vos.outliers import draw_at_margin
from vos.outliers.conditional_margin import refuse_infeasible


def problem(d: int, seed: int = 0):
    """Mean, factor, normal, offset of one class; float64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(d, generator=generator, dtype=torch.float64)
    root = torch.randn(d, d, generator=generator, dtype=torch.float64)
    cholesky = torch.linalg.cholesky(root @ root.mT + 0.1 * torch.eye(d))
    return mean, cholesky, torch.randn(d, generator=generator, dtype=torch.float64), 0.3


@pytest.mark.parametrize("has_radii", [False, True])
@pytest.mark.parametrize("has_rows", [False, True])
def test_a_batch_of_margins_equals_its_rows_one_by_one(has_radii, has_rows):
    # Sixteen features: torch draws normals in chunks of sixteen, so that rows of a batch get the numbers of single
    # calls, which is the premise.
    d, m = 16, 7
    both = [torch.Generator().manual_seed(3) for _ in range(2)]
    one = torch.cat([torch.randn(1, d, dtype=torch.float64, generator=both[0]) for _ in range(m)])
    assert torch.equal(one, torch.randn(m, d, dtype=torch.float64, generator=both[1]))

    mean, cholesky, normal, offset = problem(d)
    scales = torch.linspace(0.5, 2.0, m, dtype=torch.float64)
    normals = (scales[:, None] * normal).roll(1, 0) + torch.eye(m, d) if has_rows else normal
    offsets = scales if has_rows else offset
    margins = torch.linspace(-3.0, 4.0, m, dtype=torch.float64)
    radii = 40.0 * scales if has_radii else None
    batch = draw_at_margin(mean, cholesky, normals, offsets, margins, radii, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    for i in range(m):
        row = draw_at_margin(
            mean,
            cholesky,
            normals[i] if has_rows else normals,
            float(offsets[i]) if has_rows else offsets,
            margins[i : i + 1],
            None if radii is None else radii[i : i + 1],
            generator,
        )
        torch.testing.assert_close(row[0], batch[i], rtol=1e-12, atol=1e-12)


def test_every_class_that_cannot_is_named():
    labels = torch.tensor([0, 1, 1, 2, 3, 3])
    smallest = torch.tensor([1.0, 5.0, 1.0, 9.0, 2.0, 1.0]).double()
    with pytest.raises(InfeasibleError, match=r"class 2: .* smallest feasible radius is 9") as caught:
        refuse_infeasible(smallest, torch.full((6,), 3.0).double(), torch.zeros(6).double(), 1, 4, labels)
    assert caught.value.classes == (1, 2)


def test_nearly_parallel_noise_is_projected_cleanly():
    # In two dimensions the free direction is what is left of g after most of it may have been taken away. At a radius
    # of 1e6 a direction that is off by 1e-13 shows as a margin of 1e-7.
    generator = torch.Generator().manual_seed(0)
    mean, cholesky, normal, offset = problem(2)
    margins = torch.zeros(20_000, dtype=torch.float64)
    h = draw_at_margin(mean, cholesky, normal, offset, margins, 1e6 + margins, generator)
    assert float((h @ normal + offset).abs().max()) < 1e-7
