"""JSON objects on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vos.errors import RunError
from vos.storage.atomic import write_atomically


def write_json(path: Path, values: object) -> None:
    """Write JSON atomically, indented, keys in the given order."""
    write_atomically(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[object]) -> None:
    """Write one JSON value a line, atomically; see `numbered_lines` for the way back."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: missing, cut off, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected a JSON object, got: {error}; the file is missing or half-written") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values
