"""The comparison of the successful runs at the end of a sweep; failed runs are listed."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from vos.cli.endings import next_step, setting
from vos.cli.failures import BUG, FAILED, FAILURE
from vos.cli.saved_settings import plain_overrides
from vos.console import columns_that_fit, complain, console, print_paths, print_table, say, short
from vos.storage.commands import command
from vos.storage.json_files import read_json, write_json
from vos.storage.run_directory import RunDirectory
from vos.training.comparison import COMPARISON, OVER_SEEDS, PLOTTED, compare_runs, over_seeds
from vos.training.reporters import log_comparison
from vos.training.words import as_phrase, by_split

SHOWN = ("boundary/val/brier", "boundary/test/accuracy", "boundary/test/average_precision", "boundary/test/band_error")
"""The metrics shown first if the screen has no room for all of `PLOTTED`; the files contain all."""

MONITOR = SHOWN[0]
"""The metric by which the best run is chosen, unless all runs have another `refine.monitor`; lower is better."""

HEAD_WIDTH = 11
"""Characters per line of a column's head."""

ROOM = 26
"""Smallest screen width, in characters, that settings leave for metrics."""

Rows = Sequence[Mapping[str, str | float]]


def note_failure(directory: Path, overrides: Sequence[str], error: BaseException, message: str | None) -> None:
    """Log that a run of a sweep failed, and store it in the run's folder for the end of the sweep.

    Args:
        directory: folder of the run.
        overrides: overrides of the run.
        error: the exception that ended it.
        message: the error in one line; None for a bug of this package, whose traceback is shown.
    """
    if message is None:
        traceback.print_exception(error)
    told = message or f"{type(error).__name__}: {' '.join(str(error).split())}"
    complain(f"error: {directory.name} ({', '.join(overrides)}): {told}; the sweep goes on")
    code = BUG if message is None else FAILED
    write_json(directory / FAILURE, {"overrides": list(overrides), "error": told, "exit_code": code})


def compare_sweep(directory: Path, logging_to: DictConfig | None = None) -> int:
    """Compare the runs in a sweep's folder, print the tables, log them to wandb, list the failures.

    Args:
        directory: folder of the sweep.
        logging_to: the settings `logger.wandb` of its runs; None: nothing is logged to wandb.

    Returns: exit code of the sweep: 0, or that of the worst failure.
    """
    rows = compare_runs(directory, _settings(directory))
    together = over_seeds(rows)
    if rows:
        _print_runs(directory, rows)
    if together:
        _print_over_seeds(together)
    if rows:
        files = (f"{COMPARISON}.csv", f"{OVER_SEEDS}.csv", f"{COMPARISON}.png")
        print_paths({name: path for name in files if (path := directory / name).exists()})
        if logging_to is not None:
            drawn = directory / f"{COMPARISON}.png"
            picture = drawn if drawn.exists() else None
            tables = {COMPARISON: rows} | ({OVER_SEEDS: together} if together else {})
            log_comparison(directory, tables, logging_to.project, logging_to.mode, list(logging_to.tags), picture)
    failures = {path.parent.name: read_json(path) for path in _in_order(directory, FAILURE)}
    everywhere = _common(directory)
    for name, found in failures.items():
        own = [each for each in found["overrides"] if each not in everywhere]
        say(f"failed: {name} ({', '.join(own)}): {found['error']}")
    if rows:
        _print_best(directory, rows, together, _monitor(directory, rows))
    # A bug of this package outweighs invalid settings.
    return min((int(found["exit_code"]) for found in failures.values()), default=0)


def _print_runs(directory: Path, rows: Rows) -> None:
    """Print one line per run: the settings that vary, and as many metrics as fit on the screen."""
    names = dict.fromkeys(name for row in rows for name in row)  # a run may lack a metric that others have
    settings = [name for name in names if "/" not in name]
    metrics = sorted((name for name in names if name in PLOTTED), key=_importance)
    cells = [[_cell(row.get(name, "")) for name in (*settings, *metrics)] for row in rows]
    _print_fitting(f"Sweep {short(directory)}", [*settings, *metrics], cells, len(settings), f"{COMPARISON}.csv")


def _print_over_seeds(rows: Rows) -> None:
    """Print one line per setting, with the metrics' means and intervals over seeds."""
    settings = [name for name in rows[0] if "/" not in name]
    metrics = sorted((name for name in PLOTTED if all(name in row for row in rows)), key=_importance)
    cells = [[*(_cell(row[name]) for name in settings), *(_with_half(row, name) for name in metrics)] for row in rows]
    title = "Over seeds: mean ± half of the 95 % interval"
    _print_fitting(title, [*settings, *metrics], cells, len(settings), f"{OVER_SEEDS}.csv")


def _print_fitting(
    title: str, names: Sequence[str], cells: Sequence[Sequence[str]], n_settings: int, file: str
) -> None:
    """Print a table; settings that leave no room for a metric are printed above it, one line per run."""
    heads, width = [_head(name) for name in names], console().width
    settings, metrics = list(range(n_settings)), list(range(n_settings, len(names)))
    least = columns_that_fit(heads, cells, settings, width - ROOM)
    if least != settings:
        for row in cells:
            say(", ".join(f"{names[i]}={row[i]}" for i in settings))
        settings = settings[:1]
    shown = columns_that_fit(heads, cells, [*settings, *metrics], width)
    print_table(title, [heads[i] for i in shown], [[row[i] for i in shown] for row in cells], left=len(settings))
    if left_out := len(settings) + len(metrics) - len(shown):
        say(f"{left_out} more metrics are in {file}")


def _head(name: str) -> str:
    """Head of a column: a metric in words on several lines, a setting by the last part of its name."""
    if "/" not in name:
        return name.replace("_", "\n").replace(".", ".\n")
    place, words = by_split(name)
    lines = [*(["validation"] if place.startswith("validation") else ["test"] if place.startswith("test") else [])]
    for word in words.split():
        if lines and len(lines[-1]) + len(word) < HEAD_WIDTH and lines != ["validation"]:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _importance(name: str) -> int:
    return SHOWN.index(name) if name in SHOWN else len(SHOWN) + PLOTTED.index(name)


def _cell(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _monitor(directory: Path, rows: Rows) -> str:
    """The metric by which every run chose its round; `MONITOR` if they differ."""
    stored = (read_json(RunDirectory(directory / str(row["run"])).metrics_path) for row in rows)
    found = {str(each.get("refine", {}).get("monitor", MONITOR)) for each in stored}
    return found.pop() if len(found) == 1 else MONITOR


def _print_best(directory: Path, rows: Rows, together: Rows, monitor: str) -> None:
    """Print the run, or the setting over seeds, with the best validation score, its uncertainty, and the next step."""
    judged = [row for row in rows if isinstance(row.get(monitor), float)]
    if not judged:
        return
    ranked = sorted(judged, key=lambda row: float(row[monitor]))
    best, words = ranked[0], as_phrase(monitor)
    means = sorted((row for row in together if f"{monitor}_half" in row), key=lambda row: float(row[monitor]))
    if len(means) > 1:
        names = [name for name in means[0] if "/" not in name and name != "seeds"]
        told = ", ".join(f"{name}={_cell(means[0][name])}" for name in names)
        first, second = ((float(row[monitor]), float(row[f"{monitor}_half"])) for row in means[:2])
        sure = "is clear of" if sum(first) < second[0] - second[1] else "overlaps"
        mean = _with_half(means[0], monitor)
        say(f"{told} has the lowest mean {words}: {mean}; its interval {sure} that of the next.")
        best = next(row for row in ranked if all(row[name] == means[0][name] for name in names))
    elif len(ranked) > 1:
        others = f"the others {_cell(ranked[1][monitor])} to {_cell(ranked[-1][monitor])}"
        chance = "" if together else "; with one seed each that may be chance, seed=0,1,2 tells"
        say(f"Run {best['run']} has the lowest {words}: {_cell(best[monitor])} ({others}){chance}.")
    next_step(command("synthesize"), setting("run", directory / str(best["run"])), "n=100")


def _with_half(row: Mapping[str, str | float], name: str) -> str:
    half = row.get(f"{name}_half")
    return f"{row[name]:.4f}" if half is None else f"{row[name]:.4f} ± {half:.4f}"


def _in_order(directory: Path, name: str) -> list[Path]:
    """The files with this name in the folders of the runs, ordered by the number of the run."""
    return sorted(directory.glob(f"*/{name}"), key=lambda path: (len(path.parent.name), path.parent.name))


def _common(directory: Path) -> set[str]:
    """Overrides that all runs of the sweep share, if there are several runs."""
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
