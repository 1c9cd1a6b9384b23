"""Collects results of worker processes, and detects workers that hang."""

from __future__ import annotations

import multiprocessing
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from vos.errors import RunError

T = TypeVar("T")

PATIENCE = 6 * 3600.0
"""Seconds within which at least one worker must finish something."""


def results(futures: Collection[Future[T]], what: str, patience: float = PATIENCE) -> Iterator[T]:
    """Yield the results of workers as they are completed.

    Args:
        futures: futures of a pool of processes.
        what: what the workers do, for the message.
        patience: seconds without any finished result after which the workers are terminated.

    Raises:
        RunError: no worker has finished anything within this time; the processes of the pool are terminated.
        Exception: raised by a worker.
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
