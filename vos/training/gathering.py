"""Rows that the processes of a fit exchange."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, distributed


def gathered_rows(tensor: Tensor, all_gather: Callable[[Tensor], object]) -> Tensor:
    """Rows (b, ...) of all ranks, rank by rank.

    Ranks may hold batches of different sizes, as the last one of an epoch; what is exchanged must not.

    Args:
        tensor: (b, ...), b of this rank.
        all_gather: stacks tensors of one shape over ranks, as that of a LightningModule.

    Raises:
        TypeError: `all_gather` gives no tensor.
    """
    sizes = _stacked(torch.tensor(len(tensor), device=tensor.device), all_gather).tolist()
    filler = tensor.new_zeros(max(sizes) - len(tensor), *tensor.shape[1:])
    stacked = _stacked(torch.cat([tensor, filler]), all_gather)
    return torch.cat([rows[:size] for rows, size in zip(stacked, sizes, strict=True)])


def _stacked(tensor: Tensor, all_gather: Callable[[Tensor], object]) -> Tensor:
    found = all_gather(tensor)
    if not isinstance(found, Tensor):
        raise TypeError(f"expected a tensor from all_gather, got {type(found).__name__}")
    return found


def wait_for_others() -> None:
    """Wait until all processes that train together are here; nothing where there is one.

    All of them write the same files, so none may remove what another is still about to write or to read.
    """
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        distributed.barrier()
