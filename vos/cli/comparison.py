"""The comparison at the end of a sweep, of the runs that succeeded; those that failed are named."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from vos.cli.failures import BUG, FAILED, FAILURE
from vos.cli.saved_settings import plain_overrides
from vos.cli.tables import print_paths
from vos.storage.json_files import read_json, write_json
from vos.training.comparison import COMPARISON, OVER_SEEDS, PLOTTED, compare_runs, over_seeds
from vos.training.reporters import log_comparison

SHOWN = ("boundary/val/brier", "boundary/test/accuracy", "boundary/test/average_precision", "boundary/test/band_error")
"""Metrics of the table over seeds; the file has all of `PLOTTED`."""


def note_failure(directory: Path, overrides: Sequence[str], error: BaseException, message: str | None) -> None:
    """Say that a run of a sweep failed, and keep that in its folder for the end of the sweep.

    Args:
        directory: of the run.
        overrides: of the run.
        error: what ended it.
        message: in one line; None for an error of this package, whose trace is shown.
    """
    if message is None:
        traceback.print_exception(error)
    told = message or f"{type(error).__name__}: {' '.join(str(error).split())}"
    sys.stderr.write(f"\nerror: {directory.name} ({', '.join(overrides)}): {told}; the sweep goes on\n")
    code = BUG if message is None else FAILED
    write_json(directory / FAILURE, {"overrides": list(overrides), "error": told, "exit_code": code})


def compare_sweep(directory: Path, logging_to: DictConfig | None = None) -> int:
    """Compare the runs under a sweep's folder, print the tables, log them to wandb, name the failures.

    Args:
        directory: of the sweep.
        logging_to: the settings `logger.wandb` of its runs; None: nothing goes to wandb.

    Returns: exit code of the sweep: 0, or that of the worst failure.
    """
    rows = compare_runs(directory, _settings(directory))
    together = over_seeds(rows)
    names = dict.fromkeys(name for row in rows for name in row)  # a run may lack a number that others have
    shown = [name for name in names if not name.startswith(("boundary/", "ood/")) or name in PLOTTED]
    table = Table(title=f"Sweep {directory}")
    for name in shown:
        table.add_column(name.removeprefix("boundary/"), justify="right")
    for row in rows:
        table.add_row(*(f"{row[n]:.4g}" if isinstance(row.get(n), float) else str(row.get(n, "")) for n in shown))
    console = Console(width=max(120, Console().width))
    if rows:
        console.print(table)
    if together:
        console.print(_with_intervals(together))
    if rows:
        files = (f"{COMPARISON}.csv", f"{OVER_SEEDS}.csv", f"{COMPARISON}.png")
        print_paths({name: path for name in files if (path := directory / name).exists()})
        if logging_to is not None:
            tables = {COMPARISON: rows} | ({OVER_SEEDS: together} if together else {})
            log_comparison(directory, tables, logging_to.project, logging_to.mode, list(logging_to.tags))
    failures = {path.parent.name: read_json(path) for path in _in_order(directory, FAILURE)}
    everywhere = _common(directory)
    for name, found in failures.items():
        own = [each for each in found["overrides"] if each not in everywhere]
        console.print(
            f"failed: {name} ({', '.join(own)}): {found['error']}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    # An error of this package outweighs settings that cannot be used.
    return min((int(found["exit_code"]) for found in failures.values()), default=0)


def _with_intervals(rows: Sequence[Mapping[str, str | float]]) -> Table:
    """A column for each setting, and one for each metric of all of them with what the seeds leave open."""
    table = Table(title="Over seeds: mean ± half of the 95 % interval")
    settings = [name for name in rows[0] if "/" not in name]
    metrics = [name for name in SHOWN if all(name in row for row in rows)]
    for name in (*settings, *metrics):
        table.add_column(name.removeprefix("boundary/"), justify="right")
    for row in rows:
        numbers = [_with_half(row, name) for name in metrics]
        told = [f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in settings]
        table.add_row(*told, *numbers)
    return table


def _with_half(row: Mapping[str, str | float], name: str) -> str:
    half = row.get(f"{name}_half")
    return f"{row[name]:.4f}" if half is None else f"{row[name]:.4f} ± {half:.4f}"


def _in_order(directory: Path, name: str) -> list[Path]:
    """The files of this name in the folders of the runs, by number."""
    return sorted(directory.glob(f"*/{name}"), key=lambda path: (len(path.parent.name), path.parent.name))


def _common(directory: Path) -> set[str]:
    """Overrides that every run of the sweep has, where it has several."""
    given = [set(plain_overrides(path)) for path in _in_order(directory, "overrides.yaml")]
    given += [set(read_json(path)["overrides"]) for path in _in_order(directory, FAILURE)]
    return set.intersection(*given) if len(given) > 1 else set()


def _settings(directory: Path) -> dict[Path, dict[str, str]]:
    """Run directories with their overrides by name."""
    settings = {}
    for path in _in_order(directory, "overrides.yaml"):
        pairs = [each.lstrip("+~").split("=", 1) for each in plain_overrides(path)]
        settings[path.parent] = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return settings
