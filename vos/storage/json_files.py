"""JSON on disk: standard JSON, without NaN and infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vos.errors import RunError
from vos.storage.atomic import write_atomically


def finite(values: object) -> object:
    """The same values with None instead of every non-finite number, which JSON cannot represent.

    Example:
        >>> finite({"a": float("nan"), "b": [1.5, float("inf")]})
        {'a': None, 'b': [1.5, None]}
    """
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, Mapping):
        return {key: finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [finite(value) for value in values]
    return values


def json_line(values: object) -> str:
    """One JSON value in one line, with null for non-finite numbers.

    Example:
        >>> json_line({"é": float("-inf")})
        '{"é": null}'
    """
    return json.dumps(finite(values), ensure_ascii=False, allow_nan=False)


def write_json(path: Path, values: object) -> None:
    """Write indented JSON atomically, keys in the given order; non-finite numbers become null."""
    write_atomically(path, json.dumps(finite(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[object]) -> None:
    """Write one JSON value per line, atomically; `numbered_lines` reads them."""
    write_atomically(path, "".join(json_line(row) + "\n" for row in rows))


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name as before writing: NaN where the file has null.

    Example:
        >>> numbers({"a": 1, "b": None})
        {'a': 1.0, 'b': nan}
    """
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing, truncated, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected a JSON object, got: {error}; the file is missing or half-written") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values
