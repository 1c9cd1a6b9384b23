"""Processes that work for this one, and one of them that hangs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from vos.errors import RunError

T = TypeVar("T")

PATIENCE = 6 * 3600.0
"""Seconds in which one of the workers must have finished something."""


def results(futures: Collection[Future[T]], what: str, patience: float = PATIENCE) -> Iterator[T]:
    """What the workers give back, as it comes.

    Args:
        futures: of a pool of processes.
        what: they do, for the message.
        patience: seconds after which workers of which none has finished anything are ended.

    Raises:
        RunError: none of them has finished anything for so long; the processes of the pool are ended.
        Exception: what a worker raised.
    """
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=patience, return_when=FIRST_COMPLETED)
        if not done:
            for child in multiprocessing.active_children():
                child.kill()
            raise RunError(f"{what}: no worker has finished anything for {patience:.0f} s; they were ended")
        for each in done:
            yield each.result()
