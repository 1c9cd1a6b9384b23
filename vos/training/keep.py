"""Which round a run keeps, and why."""

from __future__ import annotations

from collections.abc import Sequence

from vos.training.checkpoint import RoundCheckpoint
from vos.training.job import RunSettings


def kept_round(rounds: Sequence[RoundCheckpoint], settings: RunSettings) -> int:
    """Number of the round to keep: the one with the lowest monitored metric (the earlier of equal ones), or the last.

    With new labels the classifier that was taken over is not a candidate. It was itself chosen as the best on these
    validation texts, so that the comparison would favour it, and it is still in its own run.

    Args:
        rounds: all rounds so far, in order, round 0 first.
        settings: settings of the run.
    """
    if settings.refine.keep == "last":
        return rounds[-1].number
    return min(_candidates(rounds, settings), key=lambda each: each.metrics[settings.refine.monitor]).number


def _candidates(rounds: Sequence[RoundCheckpoint], settings: RunSettings) -> Sequence[RoundCheckpoint]:
    """The rounds from the plain one on; all if there are none yet. `min` takes the first of equals."""
    return rounds[settings.plain_round or 0 :] or rounds


def why_kept(rounds: Sequence[RoundCheckpoint], best: int, settings: RunSettings) -> str:
    """The reason for keeping round `best`, with the values that decided."""
    monitor, among = settings.refine.monitor, _candidates(rounds, settings)
    values = {each.number: each.metrics[monitor] for each in rounds}
    if settings.refine.keep == "last":
        least = min(values.values())
        return f"it is the last (refine.keep=last); {monitor} {values[best]:.4g}, the lowest {least:.4g}"
    before = "" if len(among) == len(rounds) else f"; {values[0]:.4g} before the new labels"
    if len(among) == 1:
        return f"it is the only one; {monitor} {values[best]:.4g}{before}"
    others = ", ".join(f"round {each.number}: {values[each.number]:.4g}" for each in among if each.number != best)
    return f"{monitor} is lowest: {values[best]:.4g} ({others}{before})"
