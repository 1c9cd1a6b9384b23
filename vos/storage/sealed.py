"""Files that contain a hash of their content, by which damage is detected when they are read.

JSON files have it under `SEAL`, safetensors files in the header. A file without a hash was written by an older version
and is accepted; a flipped bit within the name of the seal does not damage the content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from vos.errors import RunError
from vos.storage.json_files import finite

SEAL = "seal"
"""Key of the hash."""

OPEN = "0" * 32
"""Placeholder for the hash while it is computed."""

PLACE = re.compile(rb'\\?"seal\\?": ?\\?"([0-9a-f]{32})')
"""The seal in a header, where it may be inside a value that is itself JSON: the library does not preserve the order of
several keys."""

CHUNK = 1 << 20


def seal_of(values: Mapping[str, Any]) -> str:
    """Hash (hex, 32 characters) of JSON values without their seal, as read back from a file.

    Example:
        >>> seal_of({"a": 1, SEAL: "x"}) == seal_of({"a": 1})
        True
    """
    plain = {key: value for key, value in values.items() if key != SEAL}
    text = json.dumps(finite(plain), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their seal, to be written as JSON."""
    plain = json.loads(json.dumps(finite(values), allow_nan=False))
    return {**plain, SEAL: seal_of(plain)}


def unsealed(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The values without their seal.

    Raises:
        RunError: the values differ from those that were written.
    """
    if SEAL in values and values[SEAL] != seal_of(values):
        raise damaged(path)
    return {key: value for key, value in values.items() if key != SEAL}


def damaged(path: Path, reason: object = "its content is not what was written") -> RunError:
    """The error of a damaged file."""
    return RunError(f"{path}: expected a file as this package wrote it, found a damaged one ({reason})")


def save_sealed(path: Path, save: Callable[[dict[str, str]], object]) -> None:
    """Write a safetensors file and put its hash into its header.

    Args:
        path: path of the file that `save` writes.
        save: writes the file, with the given metadata in its header.
    """
    save({SEAL: OPEN})
    with path.open("rb+") as file:
        place = _place(file)
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest.encode("ascii"))


def check_sealed(path: Path) -> None:
    """Check that a safetensors file is unchanged since `save_sealed` wrote it.

    Raises:
        RunError: the file is damaged or missing.
    """
    try:
        with path.open("rb") as file:
            place = _place(file)
            if place < 0:
                return
            file.seek(place)
            if file.read(len(OPEN)).decode("ascii") != _digest(file, place):
                raise damaged(path)
    except OSError as error:
        raise damaged(path, error.strerror) from error


def _place(file: BinaryIO) -> int:
    """Offset of the hash; -1 if there is none."""
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    found = PLACE.search(file.read(min(size, 1 << 26)))
    return -1 if found is None else 8 + found.start(1)


def _digest(file: BinaryIO, place: int) -> str:
    """Hash of the whole file, with `OPEN` in place of the hash."""
    digest = hashlib.blake2b(digest_size=16)
    file.seek(0)
    digest.update(file.read(place) + OPEN.encode("ascii"))
    file.seek(place + len(OPEN))
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
