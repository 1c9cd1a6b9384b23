"""Missing resources of the machine are reported in words by any library; a bug of the program is not hidden."""

import resource
import sqlite3
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT
from vos.errors import ConfigError, ModelError
from vos.models.encoder import load_pretrained
from vos.storage.extras import optional
from vos.storage.machine import machine_lacks


def caught(job, *kinds):
    with pytest.raises(kinds) as found:
        job()
    return found.value


def damaged(path):
    path.write_bytes(b"x" * 4096)
    connection = sqlite3.connect(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")
    finally:
        connection.close()


def test_a_folder_that_is_gone_a_file_in_its_place_and_damage_are_told(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff" * 64)
    found = {
        "none": caught(lambda: (tmp_path / "none/a").write_text("a"), OSError),
        "file": caught(lambda: (tmp_path / "file/a").write_text("a"), OSError),
        "a file of SQLite is damaged": caught(lambda: damaged(tmp_path / "db"), sqlite3.DatabaseError),
        "a file of SQLite cannot be": caught(lambda: sqlite3.connect(tmp_path / "none/b").execute("x"), sqlite3.Error),
        "a file of weights is damaged": caught(lambda: load_file(tmp_path / "file"), SafetensorError),
        "a file cannot be written": caught(
            lambda: save_file({"a": torch.ones(1)}, tmp_path / "none/c"), SafetensorError, OSError
        ),
        "memory is short (a.so": ImportError("a.so: failed to map segment from shared object"),
        "memory is short": MemoryError(),
        "a process or thread could not be started": BrokenProcessPool("a child died"),
    }
    for words, error in found.items():
        assert words in machine_lacks(error)
    later = RuntimeError("a wrapper")
    later.__cause__ = found["none"]
    assert "none" in machine_lacks(later)


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("b"), RuntimeError("c"), AttributeError("d")])
def test_a_fault_of_the_program_is_none_of_the_machines(error):
    assert machine_lacks(error) is None


SHORT = """
import resource, torch
from vos.errors import ConfigError, ModelError
from vos.models.encoder import load_pretrained
from vos.storage.extras import optional
from vos.storage.machine import machine_lacks
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**27
resource.setrlimit(resource.RLIMIT_AS, (size, size))
for job in (lambda: torch.ones(2**30), lambda: bytearray(2**30)):
    try:
        job()
    except Exception as error:
        print(machine_lacks(error))
"""

FULL = """
import resource, torch
from pathlib import Path
from safetensors.torch import save_file
from vos.errors import ConfigError, ModelError
from vos.models.encoder import load_pretrained
from vos.storage.extras import optional
from vos.storage.machine import machine_lacks
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
tensors = {"a": torch.ones(10_000)}
bare = lambda: Path("c").write_bytes(bytes(9999))
for job in (lambda: save_file(tensors, "a"), lambda: torch.save(tensors, "b"), bare):
    try:
        job()
    except Exception as error:
        print(machine_lacks(error))
"""


@pytest.mark.parametrize(("code", "words", "n"), [(SHORT, "memory is short", 2), (FULL, "written", 3)])
def test_memory_and_files_that_end_are_told_for_every_library(code, words, n, tmp_path):
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert len(lines) == n
    assert all(words in line for line in lines), lines
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


class Loader:
    """Loads like a class of transformers, and fails."""

    error: Exception

    @classmethod
    def from_pretrained(cls, *_args, **_settings):
        raise cls.error


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: you tried"), OSError(12, "no")])
def test_a_model_that_is_there_is_not_taken_for_missing_when_memory_ends(error):
    Loader.error = error
    with pytest.raises(type(error)):
        load_pretrained(Loader, "bundled")
    Loader.error = OSError(2, "no such file")
    with pytest.raises(ModelError):
        load_pretrained(Loader, "bundled")


def test_a_package_that_is_there_is_not_taken_for_missing_when_memory_ends(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_package.py").write_text("raise ImportError('a.so: cannot map: Cannot allocate memory')\n")
    with pytest.raises(MemoryError, match=r"pos: a\.so"):
        optional("some_package", "pos", "pos")
    (tmp_path / "other_package.py").write_text("raise ImportError('no b')\n")
    with pytest.raises(ConfigError, match="needs the package other_package"):
        optional("other_package", "pos", "pos")
