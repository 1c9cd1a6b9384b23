"""Nodes of a Ray cluster on this computer, each in its own process group, so that one can be killed alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.conftest import ROOT

ADDRESS = re.compile(r"--address='([^']+)'")

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "1000",  # a killed node is missed after five of these
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_memory_monitor_refresh_ms": "0",  # other tests fill the memory
    "RAY_worker_niceness": "0",  # 15 otherwise: beside other tests an actor would hardly run
    "RAY_AUTH_MODE": "disabled",  # a token would be written into the home directory
}


class Node:
    """`ray start --block` with some CPUs; the first of a cluster is its head.

    Args:
        cpus: as Ray is told.
        head: the address of the cluster to join; None begins one.
        more: environment variables of its workers.
    """

    def __init__(self, cpus: int, head: str | None = None, **more: str) -> None:
        # Not pytest's folder: the path of a socket is at most 107 characters long.
        self.folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        self.log = Path(self.folder.name) / "log.txt"
        join = ["--head", "--port=0", "--include-dashboard=false"] if head is None else [f"--address={head}"]
        own = [f"--num-cpus={cpus}", f"--temp-dir={self.folder.name}", "--object-store-memory=100000000", "--block"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *join, *own]
        environment = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), **more}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self.address = head or wait_for(lambda: self._said(ADDRESS), 240, self.said)

    def said(self) -> str:
        """What it printed; nothing once it was killed."""
        return self.log.read_text("utf-8") if self.log.exists() else ""

    def _said(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.search(self.said())
        assert found or self.process.poll() is None, self.said()
        return found and found[1]

    def kill(self) -> None:
        """All of its processes at once, as when its machine is lost."""
        for each in self._processes():
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            mine = psutil.Process(self.process.pid)
            return [mine, *mine.children(recursive=True)]
        return []


def wait_for(what, seconds, told):
    """The first true answer of `what()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if found := what():
                return found
        time.sleep(0.05)
    raise AssertionError(told())
