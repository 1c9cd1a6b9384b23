"""Progress bars of a synthesis or an atlas."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from vos.atlas.job import Watcher
from vos.atlas.world import Progress as Told
from vos.console import console, is_plain
from vos.synthesis.job import Progress
from vos.training.progress import LeftColumn, RateColumn


def synthesis_bars(n_pool: int | None, enabled: bool) -> tuple[Bars, Progress]:
    """A bar for the texts of the pool, and one for made texts that appears with the first of them.

    Args:
        n_pool: number of texts in the pool, None if unknown.
        enabled: whether anything is drawn.

    Returns:
        The bars, a context manager, and the functions that advance them.
    """
    bars = _bars(enabled)
    pool, made = bars.add_task("pool", total=n_pool), bars.add_task("made for targets", total=None, visible=False)
    return bars, Progress(
        pool=lambda n: bars.advance(pool, n),
        made=lambda done, total: bars.update(made, completed=done, total=total, visible=True),
    )


def atlas_bars(enabled: bool) -> tuple[Bars, Callable[[int], None], Watcher]:
    """A bar for the texts of the pool, and one for each producer when it starts.

    Args:
        enabled: whether anything is drawn.

    Returns:
        The bars, a context manager; the function that advances the pool's bar; those that begin and end the others.
    """
    bars = _bars(enabled)
    tasks = {"pool": bars.add_task("pool", total=None)}

    def begin(name: str) -> Told:
        tasks[name] = bars.add_task(name, total=None)
        return lambda done, total: bars.update(tasks[name], completed=done, total=total)

    def end(name: str, state: str) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=None)
        of_task = next(task for task in bars.tasks if task.id == tasks[name])
        total = of_task.total or 1
        bars.update(tasks[name], description=f"{name}: {state}", total=total, completed=total)
        bars.stop_task(tasks[name])

    return bars, lambda n: bars.advance(tasks["pool"], n), Watcher(begin, end)


def _bars(enabled: bool) -> Bars:
    """Progress bars on a terminal; none in a log file."""
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(None),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        LeftColumn(),
        console=console(),
        expand=True,
        disable=not enabled or is_plain(),
    )
