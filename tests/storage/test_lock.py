"""One process at a time per folder: with real processes, and one that was killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vos.errors import RunError
from vos.storage.lock import owned

HOLD = """
import sys, time
from pathlib import Path
from vos.storage.lock import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder, seconds):
    """Another process that holds the lock by now."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder, str(seconds)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_process_is_refused_by_name_and_a_killed_one_leaves_no_lock(tmp_path):
    with holder(tmp_path, 600) as process:
        expected = rf"process {process.pid} on .* works in this folder; expected nobody"
        with pytest.raises(RunError, match=expected), owned(tmp_path):
            pass
        process.kill()
        process.wait()
    with owned(tmp_path):
        pass


def test_who_may_wait_comes_after(tmp_path):
    with holder(tmp_path, 0.5) as process, owned(tmp_path, wait=True):
        assert process.wait(timeout=30) == 0


def test_another_name_is_another_lock(tmp_path):
    with owned(tmp_path), owned(tmp_path, ".other"), pytest.raises(RunError, match="works in this"), owned(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="expected a folder that can be written to"), owned(tmp_path / "file" / "run"):
        pass


def test_a_folder_that_another_process_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    folder, gone = tmp_path / "shared", []

    def opened(path, *arguments, real=Path.open, **settings):
        if path.parent == folder and len(gone) < 3:  # its owner has left it empty
            gone.append(path)
            folder.rmdir()
        return real(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", opened)
    with owned(folder):
        assert (folder / ".lock").exists()
    assert len(gone) == 3
