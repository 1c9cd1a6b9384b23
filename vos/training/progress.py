"""Progress of a fit: one updating line on a terminal, occasional lines in a log file."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text
from torch import Tensor

from vos.console import console, is_plain, say

EVERY = 60.0
"""Seconds between two lines of a log file within an epoch."""

DRAWN_EVERY = 0.1
"""Seconds between two updates of the bar; on an accelerator each update waits for running steps."""

LATEST = 20
"""Number of steps whose mean loss is shown, because single steps vary too much."""


class RateColumn(ProgressColumn):
    """The rate per second."""

    def render(self, task: Task) -> Text:
        """Of one bar."""
        return Text(rate(speed(task)))


class LeftColumn(ProgressColumn):
    """The remaining time."""

    def render(self, task: Task) -> Text:
        """Of one bar."""
        found, remaining = speed(task), task.remaining
        return Text(f"{clock(remaining / found)} left" if found and remaining else "")


def speed(task: Task) -> float | None:
    """Rate per second: recent, or since the beginning if steps are so slow that there is no recent rate."""
    lately = task.finished_speed or task.speed
    if lately is None and task.completed and task.elapsed:
        return task.completed / task.elapsed
    return lately


def rate(found: float | None) -> str:
    """Format a rate per second.

    Example:
        >>> rate(2.345), rate(42500.0), rate(None)
        ('2.35/s', '42,500/s', '')
    """
    return "" if found is None else f"{found:,.0f}/s" if found >= 100 else f"{found:.3g}/s"


def clock(seconds: float) -> str:
    """Format a time as minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> clock(75), clock(3675)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class FitProgress(ProgressBar):
    """Loss, rate and remaining time of a fit, by epoch; the bar is removed at the end.

    Args:
        name: name of the fit, such as "round 1".
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._on = True
        self._bars: Progress | None = None
        self._began = self._told = self._drawn = 0.0
        self._steps = 0
        self._losses: deque[Tensor] = deque(maxlen=LATEST)

    def disable(self) -> None:
        """Hide the bar; Lightning calls this in all processes except the first."""
        self._on = False

    def enable(self) -> None:
        """Show the bar again."""
        self._on = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Draw an empty bar."""
        if self._on and not is_plain():
            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), RateColumn(), LeftColumn(),
                TextColumn("{task.fields[loss]}"), console=console(), expand=True, transient=True, refresh_per_second=4,
            )  # fmt: skip
            self._bars.add_task(self.name, total=None, loss="")
            self._bars.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Restart the bar with the number of the epoch."""
        self._began = self._told = time.monotonic()
        self._steps = 0
        self._losses.clear()
        if self._bars is not None:
            task = self._bars.task_ids[0]
            self._bars.reset(task, total=int(self.total_train_batches), description=self._where(trainer), loss="")

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Advance by one step."""
        self._losses.append((outputs["loss"] if isinstance(outputs, dict) else outputs).detach())
        self._steps, now, total = batch_idx + 1, time.monotonic(), int(self.total_train_batches)
        if self._bars is not None:
            if now - self._drawn > DRAWN_EVERY or self._steps == total:
                self._drawn = now
                told = f"loss {self._loss(trainer):.3f}"
                self._bars.update(self._bars.task_ids[0], completed=self._steps, loss=told)
        elif self._on and now - self._told > EVERY:
            self._told = now
            pace = self._steps / (now - self._began)
            say(f"{self._where(trainer)}: step {self._steps} of {total}, {rate(pace)}, "
                f"{clock((total - self._steps) / pace)} left, loss {self._loss(trainer):.3f}")  # fmt: skip

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Show that validation is running."""
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], loss="validation")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Print a line if the output is a log file."""
        if self._bars is None and self._on and self._steps:
            pace = self._steps / max(time.monotonic() - self._began, 1e-9)
            say(f"{self._where(trainer)}: loss {self._loss(trainer):.3f}, {self._steps} steps, {rate(pace)}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Remove the bar."""
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Remove the bar, and show the cursor again."""
        self._stop()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Remove the bar if it is still there."""
        self._stop()

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _where(self, trainer: pl.Trainer) -> str:
        return f"{self.name}, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"

    def _loss(self, trainer: pl.Trainer) -> float:
        """Mean loss of the latest steps, corrected for gradient accumulation, by which Lightning divides it."""
        return float(sum(self._losses) / len(self._losses)) * trainer.accumulate_grad_batches
