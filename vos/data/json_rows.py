"""Reads rows of jsonl and json files; defines the type of rows of all files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vos.data.text_lines import decoded_lines
from vos.errors import DataError

Row = tuple[int, dict[str, Any]]
"""Line where the row starts (row number for parquet), counted from 1, and its values by column name."""

WRONG_WIDTH = "\0wrong width"
"""Key of a row whose number of fields differs from the header's; the value is (found, expected). Files with a NUL byte
are refused, so no column has this name."""

DAMAGED = "\0damaged"
"""The only key of a single unreadable line; the value is the reason."""


def read_jsonl(path: Path, encoding: str = "utf-8") -> Iterator[Row]:
    """Yield the objects of a file with one JSON object per line; blank lines are skipped. See also `DAMAGED`."""
    for number, line in decoded_lines(path, encoding):
        if not line.strip():
            continue
        try:
            value = DECODER.decode(line)
        except json.JSONDecodeError as error:
            yield number, {DAMAGED: f"column {error.colno}: not JSON: {error.msg}"}
        except (ValueError, RecursionError) as error:
            yield number, {DAMAGED: f"JSON that cannot be read: {error}"}
        else:
            yield number, _as_row(value)


def read_json(path: Path, encoding: str = "utf-8") -> Iterator[Row]:
    """Yield the objects of a file that is one JSON array of objects. See also `DAMAGED`.

    The file's text is in memory, but not all of its objects.
    """
    lines = (line for _, line in decoded_lines(path, encoding))
    text = "".join(f"{line[:-1]}\n" if line.endswith("\r") else line for line in lines)  # so that these count as lines
    line = 1
    try:
        position = _skip_space(text, 0)
        if position == len(text):
            return
        if text[position] != "[":
            raise DataError(_not_an_array(path, text))
        position = _skip_space(text, position + 1)
        counted = 0
        while text[position : position + 1] != "]":
            line, counted = line + text.count("\n", counted, position), position
            value, position = DECODER.raw_decode(text, position)
            yield line, _as_row(value)
            position = _skip_space(text, position)
            if text[position : position + 1] == ",":
                position = _skip_space(text, position + 1)
                if text[position : position + 1] == "]":
                    raise json.JSONDecodeError("expected an object after ','", text, position)
            elif text[position : position + 1] != "]":
                raise json.JSONDecodeError("expected ',' or ']' after an object", text, position)
        position = _skip_space(text, position + 1)
        if position != len(text):
            raise json.JSONDecodeError("expected nothing after the array", text, position)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: column {error.colno}: not JSON: {error.msg}") from error
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # a number too long, or nested too deeply
        raise DataError(f"{path}:{line}: JSON that cannot be read: {error}") from error


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a dictionary from names and values, for `object_pairs_hook`.

    Raises:
        ValueError: a name occurs twice, so it is unclear which value is meant.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"expected each name once, found {max(names, key=names.count)!r} more than once")
    return values


DECODER = json.JSONDecoder(object_pairs_hook=named_once)


def _as_row(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {DAMAGED: f"expected a JSON object with named columns, found {_kind(value)}"}


def _kind(value: Any) -> str:
    kinds = {list: "an array", dict: "an object", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _not_an_array(path: Path, text: str) -> str:
    """Message for a file that does not begin with '['; raises JSONDecodeError if it is not JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        return f"{path}: expected an array of objects, found one value after another; rename the file to .jsonl"
    found = (
        f"an object with the keys {', '.join(map(repr, list(value)[:8]))}" if isinstance(value, dict) else _kind(value)
    )
    return (
        f'{path}: expected an array of objects such as [{{"text": ..., "label": ...}}], found {found}; '
        "write the rows of each split as such an array, or one object a line as .jsonl"
    )


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
