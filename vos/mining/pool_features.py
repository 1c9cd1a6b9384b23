"""Features of a whole pool on disk: written once, chunk by chunk, and memory-mapped for reading."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

import numpy as np
import torch
from torch import Tensor

from vos.errors import DataError, RunError
from vos.storage.atomic import replacing
from vos.storage.bounded import in_use
from vos.storage.lock import PATIENCE
from vos.types import Example, Featurizer

BYTES = 4
"""Bytes of one float32, and of the checksum at the end of a row: the XOR of its words, which detects a flipped bit."""

ENDING = ".rows.f32"
"""Ending of the files; those of older versions had no checksums, and end in .f32."""


def row_bytes(d: int) -> int:
    """Number of bytes of a row: d features and their checksum."""
    return (d + 1) * BYTES


def with_sums(features: Tensor) -> bytes:
    """Features (n, d) as rows with checksums."""
    values = np.ascontiguousarray(features.numpy(), dtype="<f4").view("<u4")
    sums = np.bitwise_xor.reduce(values, axis=1, keepdims=True)
    rows: bytes = np.concatenate([values, sums], axis=1).tobytes()
    return rows


def content_hash(pool: Iterable[Example]) -> tuple[str, int]:
    """BLAKE2b (hex, 32 characters) of the texts of a pool in their order, and their number."""
    digest, n = hashlib.blake2b(digest_size=16), 0
    for example in pool:
        raw = example.text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)  # the length distinguishes "ab", "c" from "a", "bc"
        n += 1
    return digest.hexdigest(), n


class FeatureStore(Protocol):
    """Features (n, d) float32 of a pool, row by row in the order of its texts."""

    n: int
    d: int

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the rows named."""

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """First row and features of `size` rows at a time; there may be fewer in any of them."""


class PoolFeatures:
    """Features (n, d) float32 of a pool, row by row in the order of its texts.

    Args:
        path: path of the complete file, written by `build`.
        n: number of texts of the pool.
        d: feature dimension.

    Raises:
        DataError: the file is not of this size.
    """

    def __init__(self, path: Path, n: int, d: int) -> None:
        self.path, self.n, self.d = path, n, d
        self._use = ExitStack()  # the file is not removed while this object exists
        self._use.enter_context(in_use(path))
        if path.stat().st_size != n * row_bytes(d):
            raise DataError(
                f"{path}: expected {n} rows of {d} float32 and a sum, {n * row_bytes(d)} bytes, found "
                f"{path.stat().st_size}; delete it"
            )

    @classmethod
    def of(cls, path: Path, d: int) -> PoolFeatures:
        """Open a complete file with any number of rows."""
        return cls(path, path.stat().st_size // row_bytes(d), d)

    @classmethod
    def build(
        cls,
        folder: Path,
        encoder: str,
        pool: Iterable[Example],
        featurizer: Featurizer,
        chunk_size: int,
        progress: Callable[[int], None] = lambda _: None,
    ) -> PoolFeatures:
        """Compute the features that are not on disk yet; an interrupted build continues with the next chunk.

        Several processes may build the same pool at once: one computes, the others wait and read.

        Args:
            folder: of these files; made when missing.
            encoder: fingerprint of the encoder; the file is named by it and the content of the pool.
            pool: texts, read twice: for their hash, and for their features.
            featurizer: featurizer with that encoder.
            chunk_size: number of texts in memory at a time.
            progress: called with the number of texts done after each chunk, and once for those of an earlier build.
        """
        content, n = content_hash(pool)
        d = featurizer.head.weight.shape[1]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{encoder}-{content}{ENDING}"
        with path.with_suffix(".lock").open("w") as lock:
            _wait_for(lock, path.with_suffix(".partial"))  # released when the file is closed, also by a killed process
            if path.exists():
                progress(n)
            else:
                partial = path.with_suffix(".partial")
                with partial.open("ab") as file:
                    _append(file, pool, featurizer, chunk_size, progress)
                partial.replace(path)
        return cls(path, n, d)

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the given rows, copied, so that no pages of the file stay in memory.

        Raises:
            DataError: a row is damaged.
        """
        if not rows:
            return torch.empty(0, self.d)
        mapped = np.memmap(self.path, dtype="<u4", mode="r", shape=(self.n, self.d + 1))
        found = np.array(mapped[np.fromiter(rows, dtype=np.int64)])
        if np.bitwise_xor.reduce(found, axis=1).any():
            raise DataError(f"{self.path}: expected features as they were written, found a damaged row; delete it")
        return torch.from_numpy(np.ascontiguousarray(found[:, :-1]).view("<f4"))

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """First row and features of `size` rows at a time."""
        for start in range(0, self.n, size):
            yield start, self.at(range(start, min(start + size, self.n)))


def _wait_for(lock: TextIO, partial: Path, patience: float = PATIENCE) -> None:
    """Lock a file of features; waits for another process that builds it, as long as it makes progress.

    Raises:
        RunError: the other process made no progress for this time.
    """
    size, since = -1, time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            now = partial.stat().st_size if partial.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > patience:
                raise RunError(
                    f"{partial}: another process builds it and got no further for {patience:.0f} s; end it, and repeat "
                    "the command, which goes on where it stood"
                ) from error
            time.sleep(0.05)
        else:
            return


class ShardedFeatures:
    """Features of several files, one after the other.

    Args:
        parts: at least one, all with the same d.
    """

    def __init__(self, parts: Sequence[PoolFeatures]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *(part.n for part in parts)])
        self.n, self.d = int(self.starts[-1]), parts[0].d

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the given rows, in their order."""
        wanted = np.fromiter(rows, dtype=np.int64, count=len(rows))
        which = np.searchsorted(self.starts, wanted, side="right") - 1
        found = torch.empty(len(wanted), self.d)
        for number in np.unique(which).tolist():
            mine = np.flatnonzero(which == number)
            found[torch.from_numpy(mine)] = self.parts[number].at((wanted[mine] - self.starts[number]).tolist())
        return found

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """First row and features of `size` rows at a time; the last chunk of each file may be smaller."""
        for start, part in zip(self.starts.tolist(), self.parts, strict=False):
            for row, features in part.chunks(size):
                yield start + row, features


def write_features(
    path: Path, pool: Iterable[Example], featurizer: Featurizer, chunk_size: int, progress: Callable[[int], None]
) -> int:
    """Write the features of texts to a file atomically; returns the number of texts."""
    n = 0
    with replacing(path) as partial, partial.open("wb") as file:
        for examples, batch in featurizer.stream(iter(pool), chunk_size):
            file.write(with_sums(batch.features))
            n += len(examples)
            progress(len(examples))
    return n


def _append(
    file: BinaryIO, pool: Iterable[Example], featurizer: Featurizer, chunk_size: int, progress: Callable[[int], None]
) -> None:
    """Append the features of the texts that are not in the file yet."""
    size = row_bytes(featurizer.head.weight.shape[1])
    # Only complete chunks are kept, because the last digits of features depend on the texts in the same batch.
    done = file.tell() // size // chunk_size * chunk_size
    file.truncate(done * size)
    progress(done)
    waiting = (example for row, example in enumerate(pool) if row >= done)
    for examples, batch in featurizer.stream(waiting, chunk_size):
        file.write(with_sums(batch.features))
        file.flush()
        os.fsync(file.fileno())
        progress(len(examples))


def examples_at(pool: Iterable[Example], rows: Collection[int]) -> dict[int, Example]:
    """The texts at the given rows, found in one pass."""
    wanted = set(rows)
    return {row: example for row, example in enumerate(pool) if row in wanted}
