import subprocess
import sys

import pytest

import vos.storage.environment as module
from vos.storage.environment import git_commit


def test_outside_git_there_is_no_commit(monkeypatch):
    def fail(*arguments, **options):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(module.subprocess, "run", fail)
    assert git_commit() is None


@pytest.mark.slow
def test_peak_memory_is_that_of_this_process_and_not_of_its_parent():
    ballast = bytearray(300 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])  # touch every page
    command = [sys.executable, "-c", "from vos.storage.environment import peak_memory_mib as p; print(p())"]
    child = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert 10 < child < module.peak_memory_mib()


def test_without_proc_the_resource_counter_serves(monkeypatch):
    monkeypatch.setattr(module.Path, "exists", lambda path: False)
    assert module.peak_memory_mib() > 10
