"""Distances to nearest neighbours, a density estimate without distributional assumptions."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1024
"""Rows compared with the bank at once; bounds memory."""


def kth_distance(rows: Tensor, bank: Tensor, k: int) -> Tensor:
    """Euclidean distance to the k-th nearest row of a bank: (n,) of rows (n, d) and bank (N, d), both float64.

    A row that is also in the bank is its own nearest neighbour. If the bank has fewer than `k` rows, the farthest row
    counts.
    """
    k = min(k, len(bank))
    # The search uses a matrix product, which cancels when norms are large compared with distances: so an offset shared
    # by all rows is removed first.
    center = bank.mean(0)
    rows, bank = rows - center, bank - center
    distances = rows.new_empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        neighbour = torch.cdist(part, bank).topk(k, largest=False).indices[:, -1]
        # It also cancels near zero, so the final distance is computed directly.
        distances[start : start + BLOCK] = (part - bank[neighbour]).norm(dim=-1)
    return distances
