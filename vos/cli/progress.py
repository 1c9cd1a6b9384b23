"""How far a synthesis is, as bars."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from vos.synthesis.job import Progress


class _RateColumn(ProgressColumn):
    """How many a second; a target takes seconds."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.3g}/s")


class SynthesisBars(Progress):
    """A bar for the texts of the pool, and one for the texts that are made once the first is begun.

    Args:
        n_pool: texts of the pool, None when unknown.
        enabled: whether anything is drawn.

    Attributes:
        bars: enter it to draw.
    """

    def __init__(self, n_pool: int | None, enabled: bool) -> None:
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=not enabled,
        )
        self._pool = self.bars.add_task("pool", total=n_pool)
        self._made = self.bars.add_task("made for targets", total=None, visible=False)

    def pool(self, n: int) -> None:
        """See `Progress.pool`."""
        self.bars.advance(self._pool, n)

    def made(self, done: int, total: int) -> None:
        """See `Progress.made`."""
        self.bars.update(self._made, completed=done, total=total, visible=True)
