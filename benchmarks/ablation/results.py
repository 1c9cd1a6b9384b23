"""The stored results: `docs/results/TASK/DEPTH.json`, one table row per line, from which the pages are generated.

A file contains tables by name, each with its column names and rows. A cell is a string, a number of seeds, null for an
unknown value, or a figure in percent: `[mean, half]` with the half-width of its 95 % t-interval over seeds, `[mean]`
for a single seed, and `[mean, half, true]` for a difference whose interval excludes zero, which is determined before
rounding.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ablation.figures import DEPTHS
from benchmarks.intervals import Interval
from vos.storage.json_files import finite

DIGITS = 3

Figure = list[float] | None
Cell = str | int | Figure


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    Attributes:
        columns: names.
        rows: as many cells each.
    """

    columns: list[str]
    rows: list[list[Cell]]

    def column(self, name: str) -> list[Cell]:
        """The cells under a name."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def records(self) -> Iterator[dict[str, Cell]]:
        """Every row as cells by name."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


Tables = dict[str, Table]
Results = dict[tuple[str, str], Tables]
"""Tables by name, by task and depth (in `figures.DEPTHS`, or "outliers" for the start of every depth)."""


def level(found: Interval) -> Figure:
    """A mean with its interval, as a file holds it."""
    if found.n == 0 or math.isnan(found.mean):
        return None
    known = [each for each in (found.mean, found.half) if not math.isnan(each)]
    return [round(each, DIGITS) for each in known]


def difference(found: Interval) -> Figure:
    """A paired difference likewise, with a mark where its interval is free of zero."""
    values = level(found)
    return [*values, True] if values is not None and found.free_of_zero else values


def dumped(tables: Mapping[str, Table]) -> str:
    """JSON with a line for each row, so that a new arm is a new line."""
    parts = []
    for name, table in tables.items():
        rows = ",\n".join(json.dumps(finite(row), separators=(",", ":"), allow_nan=False) for row in table.rows)
        parts.append(f'"{name}": {{\n"columns": {json.dumps(table.columns, allow_nan=False)},\n"rows": [\n{rows}\n]}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write_results(results: Results, folder: Path) -> None:
    """Write the files of these tasks and depths; others stay."""
    for (task, depth), tables in results.items():
        path = folder / task / f"{depth}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dumped(tables), "utf-8")


def read_results(folder: Path) -> Results:
    """Everything that is kept, by task and then by depth in the order of their names."""
    results: Results = {}
    for path in sorted(folder.glob("*/*.json")):
        tables = json.loads(path.read_text("utf-8"))
        results[path.parent.name, path.stem] = {name: Table(**table) for name, table in tables.items()}
    return results


def sections(results: Results) -> Iterator[tuple[str, str, Tables]]:
    """Task, depth in words, and tables."""
    for (task, depth), tables in results.items():
        if depth in DEPTHS:
            yield task, DEPTHS[depth], tables
