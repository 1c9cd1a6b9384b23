from __future__ import annotations

import pytest
import torch

from vos.training.gathering import gathered_rows


def test_rows_of_ranks_with_batches_of_different_sizes_come_rank_by_rank():
    mine, theirs = torch.arange(6.0).view(3, 2), torch.tensor([[9.0, 8.0]])

    def all_gather(tensor):
        # The other rank calls with its own size, then with its rows, filled up to the same shape.
        if tensor.ndim == 0:
            return torch.stack([tensor, torch.tensor(len(theirs))])
        return torch.stack([tensor, torch.cat([theirs, torch.full((2, 2), -1.0)])])

    assert torch.equal(gathered_rows(mine, all_gather), torch.cat([mine, theirs]))


def test_what_gives_no_tensor_is_refused():
    with pytest.raises(TypeError, match="expected a tensor from all_gather, got list"):
        gathered_rows(torch.zeros(2), lambda tensor: [tensor])
