"""Exchanges rows between the processes of a fit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, distributed


def gathered_rows(tensor: Tensor, all_gather: Callable[[Tensor], object]) -> Tensor:
    """Gather rows (b, ...) of all ranks, in rank order.

    Ranks may have batches of different sizes, such as the last one of an epoch, but exchanged tensors must have one
    shape, so they are padded.

    Args:
        tensor: (b, ...), with b of this rank.
        all_gather: stacks tensors of one shape over ranks, as `LightningModule.all_gather` does.

    Raises:
        TypeError: `all_gather` does not return a tensor.
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


def is_first() -> bool:
    """Whether this is the only training process, or the first of several."""
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def wait_for_others() -> None:
    """Wait until all training processes have reached this point; do nothing if there is only one.

    All of them write the same files, so none may remove what another is still about to write or to read.
    """
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        distributed.barrier()
