"""Topic tags of texts: any columns of a table that contains the ids of the texts, or the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vos.data.files import read_rows
from vos.errors import DataError
from vos.types import Example

MOST_VALUES = 200
"""Largest number of distinct values of a column; more do not form useful groups of texts."""

Tags = dict[str, tuple[str | None, ...]]
"""By column name, the value of each text, None if it has none."""


def told_columns(examples: Sequence[Example]) -> Tags:
    """Level and group of n texts, if their values are shared by several texts."""
    return _worth_showing({name: [getattr(each, name) for each in examples] for name in ("level", "group")})


def table_columns(path: str | Path, examples: Sequence[Example]) -> Tags:
    """All columns of a table whose values are shared by several texts.

    Args:
        path: csv, tsv, jsonl, json or parquet, with a column `id`, or else `text`, and others.
        examples: n texts.

    Raises:
        DataError: no such file, neither column, a text that occurs twice, or none of these texts.
    """
    rows: dict[str, Mapping[str, object]] = {}
    key = ""
    for line, row in read_rows(path):
        key = key or ("id" if "id" in row else "text")
        if row.get(key) is None:
            raise DataError(f"{path}:{line}: expected a value in column {key}, which says whose row it is, found none")
        if str(row[key]) in rows:
            raise DataError(f"{path}:{line}: expected each {key} once, found it again; leave one of the rows out")
        rows[str(row[key])] = row
    found = [rows.get(str(getattr(example, key or "id")), {}) for example in examples]
    if not any(found):
        raise DataError(f"{path}: expected rows of the atlas's texts, found none of its {len(found)} texts by {key}")
    names = dict.fromkeys(name for row in rows.values() for name in row if name not in ("id", "text"))
    return _worth_showing({name: [row.get(name) for row in found] for name in names})


def _worth_showing(columns: Mapping[str, Sequence[object]]) -> Tags:
    told = {
        name: tuple(None if value is None or value == "" else str(value) for value in values)
        for name, values in columns.items()
    }
    return {name: values for name, values in told.items() if _tells(values)}


def _tells(values: Sequence[str | None]) -> bool:
    different = {value for value in values if value is not None}
    return 1 < len(different) <= MOST_VALUES and 2 * len(different) <= len(values)
