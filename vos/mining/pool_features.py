"""Features of a whole pool on disk: written once, chunk by chunk, mapped into memory when read."""

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
"""Of one float32, and of the sum that ends a row: its words, exclusive or, which tells of every flipped bit."""

ENDING = ".rows.f32"
"""Of the files; those of older versions had no sums, and end in .f32 alone."""


def row_bytes(d: int) -> int:
    """Of one row of a file: d features and their sum."""
    return (d + 1) * BYTES


def with_sums(features: Tensor) -> bytes:
    """Features (n, d) as the rows of a file."""
    values = np.ascontiguousarray(features.numpy(), dtype="<f4").view("<u4")
    sums = np.bitwise_xor.reduce(values, axis=1, keepdims=True)
    rows: bytes = np.concatenate([values, sums], axis=1).tobytes()
    return rows


def content_hash(pool: Iterable[Example]) -> tuple[str, int]:
    """BLAKE2b (hex, 32 characters) of the texts of a pool in their order, and their number."""
    digest, n = hashlib.blake2b(digest_size=16), 0
    for example in pool:
        raw = example.text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)  # the length keeps "ab", "c" and "a", "bc" apart
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
        path: of the whole file; `build` makes it.
        n: texts of the pool.
        d: feature dimension.

    Raises:
        DataError: the file is not of this size.
    """

    def __init__(self, path: Path, n: int, d: int) -> None:
        self.path, self.n, self.d = path, n, d
        self._use = ExitStack()  # nobody removes the file while this object lives
        self._use.enter_context(in_use(path))
        if path.stat().st_size != n * row_bytes(d):
            raise DataError(
                f"{path}: expected {n} rows of {d} float32 and a sum, {n * row_bytes(d)} bytes, found "
                f"{path.stat().st_size}; delete it"
            )

    @classmethod
    def of(cls, path: Path, d: int) -> PoolFeatures:
        """A whole file of as many rows as it holds."""
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
        """Compute what is not on the disk yet; a build that was cut off goes on at the chunk where it stood.

        Several processes may ask for the same pool at once: one computes, the others wait and read.

        Args:
            folder: of these files; made when missing.
            encoder: fingerprint of the encoder; with the content of the pool it names the file.
            pool: texts, read twice: for their hash, and for their features.
            featurizer: over that encoder.
            chunk_size: texts in memory at a time.
            progress: called with the number of texts done after each chunk, those of an earlier build at once.
        """
        content, n = content_hash(pool)
        d = featurizer.head.weight.shape[1]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{encoder}-{content}{ENDING}"
        with path.with_suffix(".lock").open("w") as lock:
            _wait_for(lock, path.with_suffix(".partial"))  # let go when the file closes, also of a killed process
            if path.exists():
                progress(n)
            else:
                partial = path.with_suffix(".partial")
                with partial.open("ab") as file:
                    _append(file, pool, featurizer, chunk_size, progress)
                partial.replace(path)
        return cls(path, n, d)

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the rows named, copied: the process keeps no pages of the file.

        Raises:
            DataError: one of them is damaged.
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
    """Take the lock of a file of features; another process may build it for as long as it gets on.

    Raises:
        RunError: it has got on no further for so long.
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
        parts: at least one, all of one width.
    """

    def __init__(self, parts: Sequence[PoolFeatures]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *(part.n for part in parts)])
        self.n, self.d = int(self.starts[-1]), parts[0].d

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the rows named, in their order."""
        wanted = np.fromiter(rows, dtype=np.int64, count=len(rows))
        which = np.searchsorted(self.starts, wanted, side="right") - 1
        found = torch.empty(len(wanted), self.d)
        for number in np.unique(which).tolist():
            mine = np.flatnonzero(which == number)
            found[torch.from_numpy(mine)] = self.parts[number].at((wanted[mine] - self.starts[number]).tolist())
        return found

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """First row and features of `size` rows at a time; the last ones of each file may be fewer."""
        for start, part in zip(self.starts.tolist(), self.parts, strict=False):
            for row, features in part.chunks(size):
                yield start + row, features


def write_features(
    path: Path, pool: Iterable[Example], featurizer: Featurizer, chunk_size: int, progress: Callable[[int], None]
) -> int:
    """Write the features of texts into a file that is whole or absent; returns the number of texts."""
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
    """Add the features of the texts that are not in the file yet."""
    size = row_bytes(featurizer.head.weight.shape[1])
    # Whole chunks alone are kept: features differ in the last digit with the texts that share their batch.
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
    """The texts of the rows named, found in one pass."""
    wanted = set(rows)
    return {row: example for row, example in enumerate(pool) if row in wanted}
