"""Waiting for another process ends in time with a one-line error."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from vos.errors import RunError
from vos.mining.pool_features import _wait_for
from vos.storage.lock import lock_within
from vos.storage.workers import results


def test_a_lock_that_another_holds_for_ever_is_given_up(tmp_path):
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        lock_within(one, "nobody")
        with pytest.raises(RunError, match="a stopped process works here for 0 s; end it"):
            lock_within(other, "a stopped process works here", seconds=0.2)
        with pytest.raises(RunError, match="got no further for 0 s"):
            _wait_for(other, tmp_path / "none.partial", patience=0.2)
    with (tmp_path / "lock").open("w") as other:
        lock_within(other, "nobody", seconds=0.0)


def test_a_process_that_gets_on_is_waited_for(tmp_path):
    partial = tmp_path / "a.partial"
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        lock_within(one, "nobody")
        child = os.fork()
        if child == 0:  # holds the lock as well, and writes for longer than is waited without any progress
            for _ in range(8):
                time.sleep(0.1)
                with partial.open("ab") as file:
                    file.write(b"x")
            os._exit(0)
        one.close()
        _wait_for(other, partial, patience=0.5)
        os.waitpid(child, 0)
    assert partial.stat().st_size == 8


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended():
    began = time.monotonic()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        futures = [pool.submit(os.getpid), pool.submit(time.sleep, 3600)]
        found = results(futures, "workers", patience=15.0)
        assert next(found) != os.getpid()
        with pytest.raises(RunError, match="workers: no worker has finished anything for 15 s; they were ended"):
            next(found)
    assert time.monotonic() - began < 600
