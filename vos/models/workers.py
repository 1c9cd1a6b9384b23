"""Work on the processor side by side: several calls at a time, each with one thread of torch.

Threads inside an operation wait for each other at its end. Where another process has one of the cores, all of them wait
for the thread that shares it, and two threads take longer than one. Threads that each work on a batch of their own wait
for nobody: a core that is half free does half as many batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

Submit = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Takes work, and gives what waits for its outcome."""


@contextmanager
def side_by_side(n: int) -> Iterator[Submit]:
    """What does work in `n` threads, or at once where `n` is 1; work that waits is dropped at the end.

    While it is there torch has one thread for an operation, also in the thread that asks.

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
    torch.set_num_threads(1)  # new threads take it over
    executor = ThreadPoolExecutor(n, "encoder")
    try:
        yield lambda work: executor.submit(work).result
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _at_once(work: Callable[[], Any]) -> Callable[[], Any]:
    done = work()
    return lambda: done
