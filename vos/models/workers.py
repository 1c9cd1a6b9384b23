"""Parallel work on the CPU: several calls at a time, each with one thread of torch.

Threads within one operation wait for each other at its end. If another process uses one of the cores, all of them wait
for the thread on that core, and two threads take longer than one. Threads that each work on their own batch do not
wait: a core that is half free does half as many batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

Submit = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Takes a function to run, and returns a function that waits for its result."""


@contextmanager
def side_by_side(n: int) -> Iterator[Submit]:
    """Context of a function that runs work in `n` threads, or immediately if `n` is 1.

    Work that has not started when the context ends is dropped. Within the context torch uses one thread per operation,
    also in the calling thread.

    Example:
        >>> with side_by_side(2) as submit:
        ...     waiting = [submit(lambda: 1 + 1), submit(torch.get_num_threads)]
        ...     [outcome() for outcome in waiting]
        [2, 1]
    """
    if n == 1:
        yield _at_once
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # inherited by new threads
    executor = ThreadPoolExecutor(n, "encoder")
    try:
        yield lambda work: executor.submit(work).result
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _at_once(work: Callable[[], Any]) -> Callable[[], Any]:
    done = work()
    return lambda: done
