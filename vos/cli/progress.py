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


def synthesis_bars(n_pool: int | None, enabled: bool) -> tuple[Bars, Progress]:
    """A bar for the texts of the pool, and one for the texts that are made once the first is begun.

    Args:
        n_pool: texts of the pool, None when unknown.
        enabled: whether anything is drawn.

    Returns:
        The bars, to be entered, and what moves them.
    """
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not enabled,
    )
    pool, made = bars.add_task("pool", total=n_pool), bars.add_task("made for targets", total=None, visible=False)
    return bars, Progress(
        pool=lambda n: bars.advance(pool, n),
        made=lambda done, total: bars.update(made, completed=done, total=total, visible=True),
    )
