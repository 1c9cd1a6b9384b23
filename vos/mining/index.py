"""Nearest-neighbour search with faiss: exact, or with an inverted file whose recall is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vos.errors import ConfigError
from vos.storage.extras import optional

Array = np.ndarray[Any, np.dtype[Any]]

KINDS = ("none", "exact", "approximate")

RECALL = 10
"""Recall is measured for this many nearest rows of at most `RECALL_TARGETS` targets."""

RECALL_TARGETS = 64


@dataclass(frozen=True)
class ApproximateSettings:
    """An inverted file: rows are grouped in lists around centroids, and only the lists near a target are searched.

    Attributes:
        lists: largest number of lists; a small pool has fewer.
        probes: lists searched per target; more find more and take longer.
        train_per_list: number of rows per list that the centroids are fitted to.
        seed: seed of the sample of these rows, and of the centroids.
    """

    lists: int = 1024
    probes: int = 64
    train_per_list: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.lists, self.probes, self.train_per_list) < 1:
            raise ConfigError(f"acquisition.approximate: expected lists, probes, train_per_list >= 1, got {self}")


def check_index(kind: str) -> None:
    """Raise ConfigError for an unknown kind of index, or if its library is not installed."""
    if kind not in KINDS:
        raise ConfigError(f"acquisition.index: expected one of {list(KINDS)}, got {kind!r}")
    if kind != "none":
        load_faiss(kind)


def load_faiss(kind: str) -> Any:
    """Import faiss.

    Raises:
        ConfigError: faiss is not installed.
    """
    return optional("faiss", "retrieval", f"acquisition.index={kind}")


Neighbours = Callable[[Array, int], tuple[Array, Array]]
"""Returns ascending squared distances (m, k) and rows (m, k) for targets (m, r) float32; row -1 if there is none."""


def exact_neighbours(coordinates: Array) -> Neighbours:
    """Exact search over the rows of `coordinates` (n, r) float32, which are not copied."""
    faiss = load_faiss("exact")

    def nearest(targets: Array, k: int) -> tuple[Array, Array]:
        squares, rows = faiss.knn(targets, coordinates, k)
        return squares, rows

    return nearest


def approximate_neighbours(coordinates: Array, settings: ApproximateSettings) -> Neighbours:
    """Approximate search with an inverted file over the rows of `coordinates` (n, r) float32, n >= 1."""
    faiss = load_faiss("approximate")
    n, r = coordinates.shape
    lists = max(1, min(settings.lists, n // settings.train_per_list))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(r), r, lists)
    index.cp.seed = settings.seed
    index.cp.min_points_per_centroid = 1
    index.nprobe = min(settings.probes, lists)
    generator = torch.Generator().manual_seed(settings.seed)
    sample = torch.randperm(n, generator=generator)[: lists * settings.train_per_list].sort().values.numpy()
    index.train(np.ascontiguousarray(coordinates[sample]))
    index.add(coordinates)
    nearest: Neighbours = index.search
    return nearest


def recall(approximate: Neighbours, coordinates: Array, targets: Array) -> float:
    """Share of the true nearest rows that an index finds."""
    k = min(RECALL, len(coordinates))
    part = targets[:RECALL_TARGETS]
    _, truth = exact_neighbours(coordinates)(part, k)
    _, found = approximate(part, k)
    hits = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), found.tolist(), strict=True))
    return hits / truth.size
