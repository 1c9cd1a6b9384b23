"""Features of a whole pool on disk: written once, chunk by chunk, mapped into memory when read."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor

from vos.errors import DataError
from vos.storage.atomic import replacing
from vos.storage.bounded import in_use
from vos.types import Example, Featurizer

BYTES = 4
"""Of one float32."""


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
        if path.stat().st_size != n * d * BYTES:
            raise DataError(
                f"{path}: expected {n} x {d} float32, {n * d * BYTES} bytes, found {path.stat().st_size}; delete it"
            )

    @classmethod
    def of(cls, path: Path, d: int) -> PoolFeatures:
        """A whole file of as many rows as it holds."""
        return cls(path, path.stat().st_size // (d * BYTES), d)

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
        path = folder / f"{encoder}-{content}.f32"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file closes, also of a killed process
            if path.exists():
                progress(n)
            else:
                partial = path.with_suffix(".partial")
                with partial.open("ab") as file:
                    _append(file, pool, featurizer, chunk_size, progress)
                partial.replace(path)
        return cls(path, n, d)

    def at(self, rows: Collection[int]) -> Tensor:
        """Features (k, d) of the rows named, copied: the process keeps no pages of the file."""
        if not rows:
            return torch.empty(0, self.d)
        mapped = np.memmap(self.path, dtype="<f4", mode="r", shape=(self.n, self.d))
        return torch.from_numpy(np.array(mapped[np.fromiter(rows, dtype=np.int64)]))

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """First row and features of `size` rows at a time."""
        for start in range(0, self.n, size):
            yield start, self.at(range(start, min(start + size, self.n)))


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
            file.write(batch.features.numpy().astype("<f4").tobytes())
            n += len(examples)
            progress(len(examples))
    return n


def _append(
    file: BinaryIO, pool: Iterable[Example], featurizer: Featurizer, chunk_size: int, progress: Callable[[int], None]
) -> None:
    """Add the features of the texts that are not in the file yet."""
    row_bytes = featurizer.head.weight.shape[1] * BYTES
    # Whole chunks alone are kept: features differ in the last digit with the texts that share their batch.
    done = file.tell() // row_bytes // chunk_size * chunk_size
    file.truncate(done * row_bytes)
    progress(done)
    waiting = (example for row, example in enumerate(pool) if row >= done)
    for examples, batch in featurizer.stream(waiting, chunk_size):
        file.write(batch.features.numpy().astype("<f4").tobytes())
        file.flush()
        os.fsync(file.fileno())
        progress(len(examples))


def examples_at(pool: Iterable[Example], rows: Collection[int]) -> dict[int, Example]:
    """The texts of the rows named, found in one pass."""
    wanted = set(rows)
    return {row: example for row, example in enumerate(pool) if row in wanted}
