"""Nearest rows by faiss: exactly, or by an inverted file whose misses are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch

from vos.errors import ConfigError
from vos.storage.extras import install_command

Array = np.ndarray[Any, np.dtype[Any]]

IndexKind = Literal["none", "exact", "approximate"]

RECALL = 10
"""Recall is measured among this many nearest rows, of at most `RECALL_TARGETS` targets."""

RECALL_TARGETS = 64


@dataclass(frozen=True)
class ApproximateSettings:
    """An inverted file: rows lie in lists around centres, and only the lists nearest to a target are read.

    Attributes:
        lists: at most this many; a small pool has fewer.
        probes: lists read for each target; more find more and take longer.
        train_per_list: rows for each list that the centres are fitted to.
        seed: of the sample of those rows, and of the centres.
    """

    lists: int = 1024
    probes: int = 64
    train_per_list: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.lists, self.probes, self.train_per_list) < 1:
            raise ConfigError(f"candidates.approximate: expected lists, probes, train_per_list >= 1, got {self}")


def check_index(kind: str) -> None:
    """Raise ConfigError for an unknown kind of index, or one whose library is not installed."""
    if kind not in get_args(IndexKind):
        raise ConfigError(f"candidates.index: expected one of {list(get_args(IndexKind))}, got {kind!r}")
    if kind != "none":
        load_faiss(kind)


def load_faiss(kind: str) -> Any:
    """The module.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            f"candidates.index={kind}: expected faiss, found none; {install_command('retrieval')}, "
            "or take candidates.index=none, which needs nothing"
        ) from error
    return faiss


class Neighbours(Protocol):
    """Nearest rows of fixed coordinates."""

    def nearest(self, targets: Array, k: int) -> tuple[Array, Array]:
        """Squared distances (m, k) ascending and rows (m, k) to targets (m, r) float32; row -1 where there is none."""
        ...


@dataclass(frozen=True)
class ExactNeighbours:
    """Every row against every target.

    Attributes:
        coordinates: (n, r) float32, not copied.
    """

    coordinates: Array

    def nearest(self, targets: Array, k: int) -> tuple[Array, Array]:
        """See `Neighbours`."""
        squares, rows = load_faiss("exact").knn(targets, self.coordinates, k)
        return squares, rows


class ApproximateNeighbours:
    """An inverted file over the rows.

    Args:
        coordinates: (n, r) float32, n >= 1.
        settings: see `ApproximateSettings`.
    """

    def __init__(self, coordinates: Array, settings: ApproximateSettings) -> None:
        faiss = load_faiss("approximate")
        n, r = coordinates.shape
        lists = max(1, min(settings.lists, n // settings.train_per_list))
        self._quantizer = faiss.IndexFlatL2(r)  # held here: the index only points to it
        self._index = faiss.IndexIVFFlat(self._quantizer, r, lists)
        self._index.cp.seed = settings.seed
        self._index.cp.min_points_per_centroid = 1
        self._index.nprobe = min(settings.probes, lists)
        generator = torch.Generator().manual_seed(settings.seed)
        sample = torch.randperm(n, generator=generator)[: lists * settings.train_per_list].sort().values.numpy()
        self._index.train(np.ascontiguousarray(coordinates[sample]))
        self._index.add(coordinates)

    def nearest(self, targets: Array, k: int) -> tuple[Array, Array]:
        """See `Neighbours`."""
        squares, rows = self._index.search(targets, k)
        return squares, rows


def recall(approximate: Neighbours, coordinates: Array, targets: Array) -> float:
    """Share of the true nearest rows that an index finds."""
    k = min(RECALL, len(coordinates))
    part = targets[:RECALL_TARGETS]
    _, truth = ExactNeighbours(coordinates).nearest(part, k)
    _, found = approximate.nearest(part, k)
    hits = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), found.tolist(), strict=True))
    return hits / truth.size
