"""A cache on disk with a size limit; the least recently used files are removed first."""

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
"""Suffixes of the files that SQLite stores next to a database; they are removed with it."""

KINDS = ("*/*.safetensors", "*/*.sqlite", "*/*.f32", "shards/*.json")
"""Files in a cache's folder: classifiers, features of texts, features of pools, counts of their files."""


@dataclass(frozen=True)
class Entry:
    """A file of a cache.

    Attributes:
        path: path of the file.
        size: size in bytes, including its companion files.
        used: time of last use, seconds since 1970.
    """

    path: Path
    size: int
    used: float


def touch(path: Path) -> None:
    """Record that a file of a cache is used now."""
    with suppress(FileNotFoundError):  # another process may have just removed it
        os.utime(path)


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Context in which a file of a cache is not removed by this or another process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        touch(path)
        yield
        touch(path)


def entries(folder: Path) -> list[Entry]:
    """The files of a cache, least recently used first."""
    found = []
    for path in (each for kind in KINDS for each in folder.glob(kind)):
        with suppress(FileNotFoundError):
            parts = [path, *(beside for end in BESIDE if (beside := path.with_name(path.name + end)).exists())]
            found.append(Entry(path, sum(part.stat().st_size for part in parts), path.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def make_room(folder: Path, gib: float) -> list[Path]:
    """Remove files of a cache until it is within the limit; files in use are never removed.

    Args:
        folder: folder of the cache, with a folder for each kind of file.
        gib: largest total size, GiB.

    Returns: the removed files.

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
    """Remove a file that is not in use; returns whether it was removed."""
    lock = _lock_of(path)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        remove_database(path)
    return True


def remove_database(path: Path) -> None:
    """Remove a file of a cache and its companion files; a process that has it open can still use it."""
    for part in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        part.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    """Path of the empty lock file next to a file; it is never removed, because another process may wait for it."""
    return path.with_name(f".{path.name}.lock")
