"""Files of the producers: strict JSON with rounded numbers, large arrays in a second file, and what both depend on."""

from __future__ import annotations

import json
import logging
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vos.errors import DataError, RunError
from vos.storage.atomic import replacing, write_atomically
from vos.storage.hashes import file_hash
from vos.storage.json_files import read_json
from vos.storage.sealed import damaged, sealed, unsealed

logger = logging.getLogger(__name__)

VERSION = 3
"""Of artefacts; 1 had `gates` for `checks`, 2 had neither signs of codes, nor rows of tokens, nor bounds of checks."""

DIGITS = 4
"""Significant digits of the numbers of an artefact; the arrays beside it have them all."""

ARRAYS_HASH = "arrays_hash"
"""Key of an artefact: hash of the file of its arrays."""

ARRAYS = "arrays"
"""Key of what a producer returns under which its heavy arrays stand; they go to a file of their own."""


@dataclass(frozen=True)
class Check:
    """A check that a view must pass to be trusted.

    Attributes:
        name: name of the measured quantity.
        value: the measured value; None if it could not be measured, which fails the check.
        threshold: the value it is compared with; None if that could not be measured either.
        passed: whether the view can be trusted.
        sentence: the result and its meaning, one line.
        tests: "method" if a model with random weights should pass too, "model" if it must not.
        control: the value for an encoder with random weights; None if it was not measured.
        bound: what the value must be, compared with the threshold.
    """

    name: str
    value: float | None
    threshold: float | None
    passed: bool
    sentence: str
    tests: Literal["method", "model"]
    control: float | None = None
    bound: Literal["at least", "above", "at most"] = "at least"

    def as_dict(self) -> dict[str, Any]:
        """As an artefact holds it."""
        return asdict(self)


def plain(values: Any, digits: int = DIGITS) -> Any:
    """Plain JSON values of arrays, dataclasses of checks and numbers, floats rounded to significant digits.

    What is not finite becomes None; the sign of a zero stays, since it is a side of the boundary.

    Example:
        >>> plain({"a": np.array([1.23456, np.nan]), "b": (np.int64(3), -0.0)})
        {'a': [1.235, None], 'b': [3, -0.0]}
    """
    if isinstance(values, Check):
        return plain(values.as_dict(), digits)
    if isinstance(values, Mapping):
        return {str(key): plain(value, digits) for key, value in values.items()}
    if isinstance(values, np.ndarray):
        return plain(values.tolist(), digits)
    if isinstance(values, list | tuple):
        return [plain(value, digits) for value in values]
    if isinstance(values, np.generic):
        values = values.item()
    if isinstance(values, float):
        return float(f"{values:.{digits}g}") if math.isfinite(values) else None
    return values


def json_text(values: Any) -> str:
    """Standard JSON in one line, as short as it can be."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def write_artefact(folder: Path, name: str, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `NAME.npz` and then `NAME.json`, which is what makes an artefact whole; each whole or absent.

    Raises:
        DataError: the folder cannot be written to, or an array is one of objects.
    """
    path = folder / f"{name}.npz"
    if wrong := [key for key, array in arrays.items() if np.asarray(array).dtype.hasobject]:
        raise DataError(f"{path}: expected arrays of numbers or texts, found objects in {wrong}")
    (folder / f"{name}.json").unlink(missing_ok=True)
    if arrays:
        try:
            with replacing(path) as partial, partial.open("wb") as file:
                np.savez(file, **dict(arrays))  # type: ignore[arg-type, unused-ignore]
        except OSError as error:
            raise DataError(f"{path} was not written: {error}") from error
    else:
        path.unlink(missing_ok=True)
    sums = {ARRAYS_HASH: file_hash(path)[:32]} if arrays else {}
    content = {"version": VERSION, **plain(values), **sums}
    write_atomically(folder / f"{name}.json", json_text(sealed(content)))


def read_artefact(folder: Path, name: str) -> dict[str, Any] | None:
    """Content of `NAME.json`; None where there is none of this version, or it or the arrays beside it are damaged."""
    path, arrays = folder / f"{name}.json", folder / f"{name}.npz"
    if not path.exists():
        return None
    try:
        values = unsealed(read_json(path), path)
        if (version := values.pop("version", None)) != VERSION:
            raise RunError(f"{path}: expected version {VERSION}, got {version!r}")
        if ARRAYS_HASH in values and file_hash(arrays)[:32] != values.pop(ARRAYS_HASH):
            raise damaged(arrays)
    except (RunError, OSError) as error:
        logger.warning("%s: is made again", error)
        return None
    return values


def remove_artefact(folder: Path, name: str) -> None:
    """Remove `NAME.json` and `NAME.npz`, if they exist."""
    for suffix in (".json", ".npz"):
        (folder / f"{name}{suffix}").unlink(missing_ok=True)


def read_arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Arrays of `NAME.npz`; none where there is no such file.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / f"{name}.npz"
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(path, error) from error
