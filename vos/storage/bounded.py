"""A cache on the disk that stays below a size: what was used longest ago goes first."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

GIB = 2**30

BESIDE = ("-wal", "-shm")
"""Ends of the files that SQLite keeps beside a database; they come and go with it."""

KINDS = ("*/*.safetensors", "*/*.sqlite", "*/*.f32", "shards/*.json")
"""What a cache holds below its folder: classifiers, features of texts, features of pools, counts of their files."""


@dataclass(frozen=True)
class Entry:
    """A file of a cache.

    Attributes:
        path: of the file.
        size: with the files beside it, bytes.
        used: when it was used last, seconds since 1970.
    """

    path: Path
    size: int
    used: float


def touch(path: Path) -> None:
    """Note that a file of a cache is used now."""
    with suppress(FileNotFoundError):  # another process has just removed it
        os.utime(path)


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep a file of a cache from being removed by this or another process while the block lasts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        touch(path)
        yield
        touch(path)


def entries(folder: Path) -> list[Entry]:
    """The files of a cache, the one that was used longest ago first."""
    found = []
    for path in (each for kind in KINDS for each in folder.glob(kind)):
        with suppress(FileNotFoundError):
            parts = [path, *(beside for end in BESIDE if (beside := path.with_name(path.name + end)).exists())]
            found.append(Entry(path, sum(part.stat().st_size for part in parts), path.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def make_room(folder: Path, gib: float) -> list[Path]:
    """Remove files of a cache until it is not larger than asked; those in use stay, whatever their size.

    Args:
        folder: of the cache, with a folder for each kind of file.
        gib: largest size of all of them together, GiB.

    Returns: what was removed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     make_room(Path(folder), gib=1.0)
        []
    """
    kept = entries(folder)
    total, removed = sum(entry.size for entry in kept), []
    for entry in kept:
        if total <= gib * GIB:
            break
        if _remove(entry.path):
            total -= entry.size
            removed.append(entry.path)
    if removed:
        logger.info("%s: %d files used longest ago were removed, to stay within %g GiB", folder, len(removed), gib)
    return removed


def _remove(path: Path) -> bool:
    """Remove a file that nobody uses; whether it is gone."""
    lock = _lock_of(path)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        remove_database(path)
    return True


def remove_database(path: Path) -> None:
    """Remove a file of a cache with what lies beside it; a process that has it open goes on with what it has."""
    for part in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        part.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    """Beside the file; empty, and never removed: another process may be waiting for it."""
    return path.with_name(f".{path.name}.lock")
