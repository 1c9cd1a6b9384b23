"""Distances to nearest neighbours, the density estimate that assumes nothing."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1024
"""Rows that are compared with the bank at once; bounds the memory."""


def kth_distance(rows: Tensor, bank: Tensor, k: int) -> Tensor:
    """Euclidean distance to the k-th nearest row of a bank: (n,) of rows (n, d) and bank (N, d), both float64.

    A row that is in the bank counts itself as its nearest. A bank with fewer rows than `k` is used to its last row.
    """
    k = min(k, len(bank))
    # The search multiplies matrices, which cancels where norms are large against distances: an offset that all rows
    # share must not count among the norms.
    center = bank.mean(0)
    rows, bank = rows - center, bank - center
    distances = rows.new_empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        neighbour = torch.cdist(part, bank).topk(k, largest=False).indices[:, -1]
        # It cancels near zero too, so the distance that counts is taken directly.
        distances[start : start + BLOCK] = (part - bank[neighbour]).norm(dim=-1)
    return distances
