"""Reporters that write metrics to csv and wandb; for the screen see `console_reporter`.

The only module that imports wandb.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from torch import Tensor

from vos.errors import ConfigError
from vos.storage.json_files import finite


@dataclass(frozen=True)
class NearBoundaryText:
    """A row of the table of texts nearest the boundary."""

    id: str
    text: str
    margin: float
    label: str


@dataclass(frozen=True)
class RoundRecord:
    """The results of one round.

    Attributes:
        round: number of the round; 0 is plain training.
        metrics: flat names to numbers.
        margins: (n,) margins of the validation texts, logit units.
        picture: the boundary map.
        nearest: validation texts nearest the boundary.
    """

    round: int
    metrics: dict[str, float]
    margins: Tensor
    picture: Path
    nearest: tuple[NearBoundaryText, ...]


class Reporter(Protocol):
    """Receives the results of every round, and the end of the run."""

    def lightning_logger(self, number: int, steps_done: int = 0) -> Logger | None:  # noqa: ARG002 - for those that have one
        """Logger for the training steps of a fit, or None.

        Args:
            number: number of the round.
            steps_done: steps after which an interrupted fit goes on; 0 for a new one.
        """
        return None

    def on_round(self, record: RoundRecord) -> None:
        """Called when a round has been measured."""

    def on_kept(self, record: RoundRecord, reason: str) -> None:  # noqa: ARG002 - for those that tell it
        """Called with the round that the run keeps, and the reason."""
        return

    def on_picture(self, name: str, path: Path) -> None:  # noqa: ARG002 - for those that show it
        """Called when a picture of the whole run has been drawn.

        Args:
            name: short name, such as "pictures/reliability".
            path: path of the PNG.
        """
        return

    def close(self) -> None:
        """Called at the end."""
        return


class CsvReporter(Reporter):
    """Writes `rounds.csv` with one row per round, and Lightning's `steps/round-N/metrics.csv`.

    Args:
        directory: folder of the run.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._rows: dict[int, dict[str, float]] = {}

    def lightning_logger(self, number: int, steps_done: int = 0) -> Logger | None:
        """A CSV logger for the steps of one round, which begins with the rows of the steps that are done.

        The logger itself would delete the file of an interrupted fit.
        """
        folder = self.directory / "steps" / f"round-{number}"
        rows = [row for row in _whole_rows(folder / "metrics.csv") if row["step"] < steps_done]
        shutil.rmtree(folder, ignore_errors=True)
        logger = CSVLogger(self.directory, name="steps", version=folder.name)
        for row in rows:
            logger.log_metrics({**row}, int(row["step"]))
        if rows:
            logger.save()
        return logger

    def on_round(self, record: RoundRecord) -> None:
        """Write all rounds so far."""
        self._rows[record.round] = {"round": record.round, **record.metrics}
        write_table(self.directory / "rounds.csv", list(self._rows.values()))


class WandbReporter(Reporter):
    """One wandb run: scalars under `boundary/...`, the margin histogram, the boundary map, the near-boundary table.

    Args:
        directory: folder of the run; wandb writes into `<directory>/wandb`.
        project: wandb project.
        mode: "offline" (default: nothing leaves the machine), "online" or "disabled".
        config: the run's resolved configuration.
        name: display name.
        tags: for the wandb page.
        texts: whether the table may contain the texts themselves; otherwise only ids and margins.

    Raises:
        ConfigError: unknown mode.
    """

    def __init__(
        self,
        directory: str | Path,
        project: str,
        config: Mapping[str, object],
        mode: Literal["offline", "online", "disabled"] = "offline",
        name: str | None = None,
        tags: Sequence[str] = (),
        texts: bool = True,
    ) -> None:
        if mode not in ("offline", "online", "disabled"):
            raise ConfigError(f"logger.mode: expected 'offline', 'online' or 'disabled', got {mode!r}")
        self.texts = texts
        self.run = wandb.init(
            project=project,
            mode=mode,
            dir=str(directory),
            config=dict(config),
            name=name,
            tags=list(tags),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.run.define_metric("boundary/*", step_metric="round")

    def lightning_logger(self, number: int, steps_done: int = 0) -> Logger | None:  # noqa: ARG002 - part of the protocol
        """Lightning's logger over the same wandb run."""
        return WandbLogger(experiment=self.run)

    def on_round(self, record: RoundRecord) -> None:
        """Log one round."""
        table = wandb.Table(columns=["id", "text", "margin", "label"])
        for row in record.nearest:
            table.add_data(row.id, row.text if self.texts else "", row.margin, row.label)
        self.run.log(
            {
                "round": record.round,
                **record.metrics,
                "boundary/margin_histogram": wandb.Histogram(record.margins.tolist()),
                "boundary/map": wandb.Image(str(record.picture)),
                "boundary/near_texts": table,
            }
        )

    def on_kept(self, record: RoundRecord, reason: str) -> None:
        """Put the kept round into the summary, which would otherwise show the last one."""
        self.run.summary.update({**record.metrics, "kept_round": record.round, "kept_because": reason})

    def on_picture(self, name: str, path: Path) -> None:
        """Log one picture."""
        self.run.log({name: wandb.Image(str(path))})

    def close(self) -> None:
        """Finish the wandb run."""
        self.run.finish()


def log_comparison(
    directory: Path,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    project: str,
    mode: Literal["offline", "online", "disabled"],
    tags: Sequence[str] = (),
    picture: Path | None = None,
) -> None:
    """Log the tables of a sweep as a separate wandb run, which writes into `<directory>/wandb`.

    Args:
        directory: folder of the sweep.
        tables: rows by the name of the table.
        project: wandb project of the runs.
        mode: as in `WandbReporter`.
        tags: for the wandb page.
        picture: picture of the comparison, or None.
    """
    quiet = wandb.Settings(silent=True, console="off")
    with wandb.init(
        project=project, mode=mode, dir=str(directory), name=directory.name, tags=[*tags, "sweep"], settings=quiet
    ) as run:
        for name, rows in tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            data = [[row.get(column) for column in columns] for row in rows]
            run.log({name: wandb.Table(columns=[*columns], data=data)})
        if picture is not None:
            run.log({"pictures/comparison": wandb.Image(str(picture))})


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV; columns in order of first appearance, missing values and NaN empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _whole_rows(path: Path) -> list[dict[str, float]]:
    """Rows of a CSV file of numbers, without empty cells; a last row that was cut off is left out."""
    if not path.exists():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    rows = csv.DictReader(whole.splitlines())
    return [{k: int(v) if v.isdigit() else float(v) for k, v in row.items() if v} for row in rows]


def _cell(value: object) -> object:
    return "" if finite(value) is None else value
