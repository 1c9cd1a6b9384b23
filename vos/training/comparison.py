"""Compares the runs of a sweep in one table and one picture."""

from __future__ import annotations

import itertools
import logging
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy import stats

from vos.storage.json_files import numbers, read_json
from vos.storage.run_directory import RunDirectory
from vos.training.comparison_plots import metrics_against
from vos.training.held_out import EXTRAPOLATED, outlier_radii
from vos.training.reporters import write_table

logger = logging.getLogger(__name__)

COMPARISON = "comparison"
"""Name of the table and the picture."""

OVER_SEEDS = "comparison_over_seeds"
"""Name of the table with means and intervals, written if seeds vary."""

KEPT_ROUND = "kept_round"
"""Column with the round that a run kept."""

PLOTTED = (
    "boundary/val/brier",
    "boundary/val/band_error",
    "boundary/test/accuracy",
    "boundary/test/average_precision",
    "boundary/test/recall_at_fpr05",
    "boundary/test/band_error",
    "boundary/test/pair_consistency",
    "boundary/outlier_energy_auroc",
    "boundary/infeasible_share",
    "boundary/outlier_mahalanobis_median",
)

RADII = "radii"
"""Column with the origin of the radii of a run's virtual outliers."""


def compare_runs(directory: Path, settings: Mapping[Path, Mapping[str, str]]) -> list[dict[str, str | float]]:
    """Write `comparison.csv`; if seeds vary, `comparison_over_seeds.csv`; if a number varies, `comparison.png`.

    Args:
        directory: folder of the sweep, to which the files are written.
        settings: run directory to its overrides, "key" to "value"; runs without a finished manifest are left out
            and named in the log.

    Returns: the rows of the table, in the order of `settings`.
    """
    finished = {path: values for path, values in settings.items() if RunDirectory(path).is_finished}
    for path in settings:
        if path not in finished:
            logger.warning("%s is not finished and is left out of the comparison", path)
    keys = {key for values in finished.values() for key in values}
    varying = sorted(key for key in keys if len({values.get(key) for values in finished.values()}) > 1)
    rows: list[dict[str, str | float]] = []
    for path, values in finished.items():
        content = read_json(RunDirectory(path).metrics_path)
        final, varied = numbers(content["final"]), {key: values.get(key, "") for key in varying}
        # Runs may keep different rounds, and rounds often differ more than settings do.
        kept = {KEPT_ROUND: content["kept_round"]} if "kept_round" in content else {}
        rows.append({"run": path.name, **varied, **kept, **_radii(final), **final})
    picture = directory / f"{COMPARISON}.png"
    picture.unlink(missing_ok=True)
    together = over_seeds(rows)
    (directory / f"{OVER_SEEDS}.csv").unlink(missing_ok=True)
    if together:
        write_table(directory / f"{OVER_SEEDS}.csv", together)
    if rows:
        write_table(directory / f"{COMPARISON}.csv", rows)
        _plot(picture, rows, [key for key in varying if key != "seed"])
    return rows


def over_seeds(rows: Sequence[Mapping[str, str | float]]) -> list[dict[str, str | float]]:
    """Mean and half-width of the 95 % t-interval over seeds of every metric in `PLOTTED`, one row per setting.

    Args:
        rows: the rows of `compare_runs`.

    Returns:
        The settings that vary besides the seed, `seeds`, and METRIC and METRIC_half for every metric that all runs of
        a setting have; [] if no setting has two seeds.

    Example:
        >>> rows = [{"run": str(s), "seed": str(s), "boundary/test/accuracy": a} for s, a in enumerate((0.5, 0.7))]
        >>> [(row["seeds"], round(row["boundary/test/accuracy_half"], 3)) for row in over_seeds(rows)]
        [(2.0, 1.271)]
    """
    groups: dict[tuple[tuple[str, str | float], ...], list[Mapping[str, str | float]]] = {}
    for row in rows:
        known = itertools.takewhile(lambda name: name not in (KEPT_ROUND, RADII) and "/" not in name, row)
        settings = tuple((name, row[name]) for name in known if name not in ("run", "seed"))
        groups.setdefault(settings, []).append(row)
    if "seed" not in next(iter(rows), {}) or all(len(group) < 2 for group in groups.values()):
        return []
    return [{**dict(settings), "seeds": float(len(group)), **_intervals(group)} for settings, group in groups.items()]


def _intervals(rows: Sequence[Mapping[str, str | float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in PLOTTED:
        values = [float(row[name]) for row in rows if name in row]
        if len(values) != len(rows):
            continue
        found[name] = statistics.fmean(values)
        if len(values) > 1:
            found[f"{name}_half"] = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return found


def _radii(final: Mapping[str, float]) -> dict[str, str]:
    """Whether the radii of the run's outliers are measured or extrapolated; {} for a run without outliers."""
    words = outlier_radii(final)
    return {} if words is None else {RADII: words}


def _plot(path: Path, rows: Sequence[Mapping[str, str | float]], keys: Sequence[str]) -> None:
    numeric = [key for key in keys if all(_is_number(row[key]) for row in rows)]
    if not numeric:
        return
    if len(numeric) > 1:
        logger.info("several settings vary; the picture shows %s", numeric[0])
    x = sorted({float(row[numeric[0]]) for row in rows})
    panels = {
        name: [[float(row[name]) for row in rows if float(row[numeric[0]]) == value] for value in x]
        for name in PLOTTED
        if all(name in row for row in rows)
    }
    if panels:
        extrapolated = {float(row[numeric[0]]) for row in rows if row.get(RADII) == EXTRAPOLATED}
        metrics_against(path, numeric[0], x, panels, extrapolated)


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
