"""A pool in several files: a folder, a glob pattern, or an fsspec address such as s3://bucket/pool/*.parquet."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vos.data.files import ENDINGS
from vos.data.records import PoolSource
from vos.errors import ConfigError, DataError
from vos.storage.extras import install_command, optional
from vos.types import Example

MARKS_OF_VERSION = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
"""Metadata of stores that change with a file's content; the first available one is used."""


@dataclass(frozen=True)
class Shard:
    """One file of a pool.

    Attributes:
        address: path, or address with a protocol.
        name: unique name: the address without the prefix that all shards share.
        version: changes when the file does: size and modification time, or metadata of the store.
        size: size in bytes; 0 if the store does not report it.
    """

    address: str
    name: str
    version: str
    size: int = 0


class ShardedPool:
    """The texts of several files, one after the other in the order of their names.

    A text without an id gets one from its content, so it does not depend on the file.

    Args:
        shards: at least one, with different names.
        open_file: opens one local file as a pool.
    """

    size = None

    def __init__(self, shards: Sequence[Shard], open_file: Callable[[str], PoolSource]) -> None:
        self.shards = tuple(shards)
        self._open = open_file

    def __iter__(self) -> Iterator[Example]:
        for shard in self.shards:
            yield from self.read(shard)

    def read(self, shard: Shard) -> Iterator[Example]:
        """The texts of one shard.

        Raises:
            DataError: the file is missing, empty or damaged; the message names it.
        """
        with _local(shard) as path:
            yield from self._open(path)


def find_shards(path: str) -> tuple[Shard, ...]:
    """Find the files that a path refers to, sorted by name.

    Args:
        path: a file; a folder, whose data files are used; a pattern with `*`, `?` or `[`; or an fsspec address with a
            protocol (`s3://`, `gs://`, `file://`).

    Raises:
        DataError: no file, or an empty file.
        ConfigError: the protocol needs a package that is not installed.
    """
    found = _remote(path) if "://" in path else _on_disk(path)
    if not found:
        raise DataError(f"pool.path={path}: expected files that end in {', '.join(ENDINGS)}, found none")
    if empty := [address for address, version, size in found if size == 0]:
        raise DataError(f"{empty[0]}: expected at least one row of data, found none: the file is empty")
    shared = _shared([address for address, _, _ in found])
    shards = [Shard(address, address[len(shared) :], version, size) for address, version, size in found]
    return tuple(sorted(shards, key=lambda shard: shard.name))


def is_sharded(path: str) -> bool:
    """Whether a path refers to anything other than one local file.

    Example:
        >>> is_sharded("pool.csv"), is_sharded("pool/*.csv"), is_sharded("s3://bucket/pool.csv")
        (False, True, True)
    """
    return "://" in path or Path(path).is_dir() or (glob.has_magic(path) and not Path(path).exists())


def _on_disk(path: str) -> list[tuple[str, str, int]]:
    folder = Path(path)
    named = folder.rglob("*") if folder.is_dir() else map(Path, glob.glob(path, recursive=True))
    files = [each for each in named if each.is_file() and each.suffix.lower() in ENDINGS]
    facts = [(each, each.stat()) for each in files]
    return [(str(each), f"{stat.st_size}:{stat.st_mtime_ns}", stat.st_size) for each, stat in facts]


def _remote(path: str) -> list[tuple[str, str, int]]:
    store, inside = _store(path)
    try:
        store.invalidate_cache()  # a store caches its listings within a process
        names = store.glob(inside) if glob.has_magic(inside) else store.find(inside)
        listed = [(name, store.info(name)) for name in names if Path(name).suffix.lower() in ENDINGS]
    except Exception as error:  # the errors of stores have no common base class
        raise DataError(f"pool.path={path}: cannot be listed: {_reason(error)}") from error
    files = [(name, info) for name, info in listed if info["type"] == "file"]
    return [(store.unstrip_protocol(name), _version(info), int(info.get("size") or 0)) for name, info in files]


def _version(info: Mapping[str, Any]) -> str:
    """Size and version of a file in a store, independent of the kind of request."""
    mark = next((info[name] for name in MARKS_OF_VERSION if info.get(name)), "")
    if isinstance(mark, datetime):
        mark = mark.astimezone(UTC).isoformat()
    return f"{info.get('size')}:{mark}"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _store(address: str) -> tuple[Any, str]:
    """The store of an address, and the path in it."""
    fsspec = optional("fsspec", "s3", f"pool.path={address}")
    protocol = address.split("://")[0]
    try:
        store, inside = fsspec.core.url_to_fs(address)
    except ImportError as error:
        install = f"; {install_command('s3')}" if protocol == "s3" else ""
        raise ConfigError(f"pool.path={address}: {protocol}:// needs another package: {error}{install}") from error
    except ValueError as error:
        raise DataError(f"pool.path={address}: {error}") from error
    return store, str(inside)


@contextmanager
def _local(shard: Shard) -> Iterator[str]:
    """The shard as a local file; a remote one is downloaded, and removed afterwards."""
    if "://" not in shard.address:
        yield shard.address
        return
    store, inside = _store(shard.address)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(inside).name
        try:
            store.get_file(inside, str(path))
        except Exception as error:  # as in `_remote`
            raise DataError(f"{shard.address}: cannot be read: {_reason(error)}") from error
        try:
            yield str(path)
        except DataError as error:
            raise DataError(str(error).replace(str(path), shard.address)) from error


def _shared(addresses: Sequence[str]) -> str:
    """The folder that all addresses share, with a trailing slash."""
    first, last = min(addresses), max(addresses)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("/", 0, same if len(addresses) > 1 else len(first)) + 1]
