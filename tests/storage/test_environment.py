import os
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


def test_a_look_at_the_commit_leaves_no_lock_and_writes_nothing(monkeypatch, tmp_path):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "vos").mkdir()
    (tmp_path / "vos/__init__.py").write_text("")
    git("add", ".")
    git("commit", "-m", "one")
    os.utime(tmp_path / "vos/__init__.py", (1, 1))  # git would note this down in its index, under a lock
    before = (tmp_path / ".git/index").read_bytes()
    monkeypatch.setattr(module.vos, "__file__", str(tmp_path / "vos/__init__.py"))
    assert not git_commit().endswith("+changes")
    assert (tmp_path / ".git/index").read_bytes() == before
