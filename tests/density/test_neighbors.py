from __future__ import annotations

import pytest
import torch

from vos.density.neighbors import BLOCK, kth_distance


def literal(rows, bank, k):
    return torch.stack([(row - bank).norm(dim=-1).sort().values[min(k, len(bank)) - 1] for row in rows])


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1.0), (1e4, 1e-3), (1e6, 1e-2), (1e6, 1.0)])
@pytest.mark.parametrize("k", [1, 5])
def test_an_offset_that_all_rows_share_changes_no_neighbour(offset, spread, k):
    # More than 25 rows, from where on the search multiplies matrices.
    generator = torch.Generator().manual_seed(0)
    bank = offset + spread * torch.randn(200, 16, generator=generator, dtype=torch.float64)
    rows = offset + spread * torch.randn(50, 16, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(kth_distance(rows, bank, k), literal(rows, bank, k), rtol=1e-12, atol=0.0)


def test_a_row_of_the_bank_is_its_own_nearest_at_no_distance():
    bank = 1e6 + 1e-2 * torch.randn(60, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (kth_distance(bank, bank, 1) == 0.0).all()
    torch.testing.assert_close(kth_distance(bank, bank, 2), literal(bank, bank, 2), rtol=1e-12, atol=0.0)


def test_blocks_and_a_bank_smaller_than_k():
    generator = torch.Generator().manual_seed(0)
    bank = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    rows = torch.randn(BLOCK + 3, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(kth_distance(rows, bank, 10), literal(rows, bank, 10), rtol=1e-12, atol=0.0)
    assert torch.equal(kth_distance(rows, bank, 10)[BLOCK:], kth_distance(rows[BLOCK:], bank, 10))
