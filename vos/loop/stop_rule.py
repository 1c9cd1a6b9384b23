"""The table and picture of labelling rounds, and the stop rule.

The files are next to the ledger, which may be in the directory of a run; `rounds.csv` belongs to the run.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vos.errors import ConfigError
from vos.storage.atomic import numbered_lines
from vos.storage.json_files import write_json_lines
from vos.storage.lock import owned
from vos.training.comparison_plots import metrics_against
from vos.training.reporters import write_table

logger = logging.getLogger(__name__)

Row = Mapping[str, str | float | None]

STEM = "labelling_rounds"
"""Name of the table and the picture."""

OLD = "rounds.jsonl"
"""Name of the table up to version 0.2; read if there is no other."""

PLOTTED = (
    "boundary/val/brier",
    "boundary/val/band_error",
    "boundary/test/band_error",
    "boundary/test/accuracy",
    "boundary/test/average_precision",
    "boundary/test/recall_at_fpr05",
    "near/error",
    "random/error",
    "random/fnr",
)


@dataclass(frozen=True)
class StopRule:
    """When another labelling round is not worthwhile.

    Attributes:
        monitor: metric of the rounds table, lower is better.
        min_gain: smallest relative gain over the best earlier round that counts as progress.
        patience: rounds without progress after which the rule recommends to stop.
        target_fnr: stop as soon as the upper bound of the false-negative rate in the random share is at most this;
            None: do not use it. Not used if no class is harmful.
    """

    monitor: str
    min_gain: float = 0.02
    patience: int = 2
    target_fnr: float | None = None

    def __post_init__(self) -> None:
        if self.patience < 1 or self.min_gain < 0:
            raise ConfigError(f"labels.stop: expected patience of at least 1 and min_gain of at least 0, got {self}")

    def reason(self, rows: Sequence[Row]) -> str | None:
        """The reason to stop after these rounds, in words; None to continue.

        A round without the monitored metric (no validation text in its band) is skipped, with a message.
        """
        if not rows:
            return None
        high = _number(rows[-1], "random/fnr_high")
        if self.target_fnr is not None and high is not None and high <= self.target_fnr:
            return f"the false-negative rate is at most {high:.3f} (95 %), target_fnr={self.target_fnr}"
        values = [value for row in rows if (value := _number(row, self.monitor)) is not None]
        if len(values) < len(rows):
            logger.warning(
                "stop.monitor=%s: %d of %d rounds have no such number and are not judged; an empty band has none, and "
                "a misspelt name has none either",
                self.monitor,
                len(rows) - len(values),
                len(rows),
            )
        if not values:
            return None
        best, stale = values[0], 0
        for value in values[1:]:
            stale = 0 if value < best * (1 - self.min_gain) else stale + 1
            best = min(best, value)
        if stale >= self.patience:
            return f"{self.monitor} has not improved by {self.min_gain:.0%} for {stale} rounds"
        return None


def _number(row: Row, name: str) -> float | None:
    """A metric of a round; None if it is absent, null or NaN."""
    value = row.get(name)
    return None if value is None or math.isnan(float(value)) else float(value)


def read_rounds(folder: Path) -> list[dict[str, str | float | None]]:
    """Read the table of a project, [] if there is none yet.

    Args:
        folder: folder of the ledger.
    """
    path = next((each for name in (f"{STEM}.jsonl", OLD) if (each := folder / name).exists()), None)
    return [] if path is None else [json.loads(line) for _, line in numbered_lines(path)]


def add_round(folder: Path, row: Row) -> list[dict[str, str | float | None]]:
    """Add a round to `labelling_rounds.jsonl`, and rewrite `labelling_rounds.csv` and `.png`.

    A row with the same `run` and `round` is replaced in its place, so that a repeated command changes nothing. Rows are
    in the order of their rounds, so that the last one is the newest.

    Args:
        folder: folder of the ledger.
        row: `run`, `round`, `labels` (number of texts labelled so far) and metrics.

    Returns: all rounds.
    """
    with owned(folder, f".{STEM}.lock", wait=True):
        before = {(each["run"], each["round"]): each for each in read_rounds(folder)}
        rows = list((before | {(row["run"], row["round"]): dict(row)}).values())
        rows.sort(key=lambda each: _number(each, "round") or 0.0)
        write_json_lines(folder / f"{STEM}.jsonl", rows)
        write_table(folder / f"{STEM}.csv", rows)
        _draw(folder / f"{STEM}.png", rows)
    return rows


def _draw(path: Path, rows: Sequence[Row]) -> None:
    """Plot the metrics that all rounds have against the number of labels, with intervals if available."""
    found = {name: [_number(row, name) for row in rows] for name in PLOTTED}
    panels = {n: [[v] for v in values if v is not None] for n, values in found.items() if None not in values}
    intervals = {}
    for name in panels:
        bounds = [(_number(row, f"{name}_low"), _number(row, f"{name}_high")) for row in rows]
        known = [(low, high) for low, high in bounds if low is not None and high is not None]
        if len(known) == len(rows):
            intervals[name] = known
    if panels:
        labels = [_number(row, "labels") or 0.0 for row in rows]
        metrics_against(path, "texts labelled", labels, panels, intervals=intervals)
