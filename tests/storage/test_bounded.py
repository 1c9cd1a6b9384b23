"""A cache that stays below its size limit, also while other processes use it."""

import os
import subprocess
import sys

import torch

from tests.conftest import ROOT
from vos.models.cache import FeatureCache
from vos.storage.bounded import GIB, entries, in_use, make_room

KIB = 1024 / GIB


def filled(folder, sizes):
    """Files of a cache, the first one used longest ago; their sizes in KiB."""
    for age, (name, size) in enumerate(reversed(sizes.items())):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * (1024 * size))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return folder


def left(folder):
    return sorted(entry.path.name for entry in entries(folder))


def test_what_was_used_longest_ago_goes_first_whatever_its_kind(tmp_path):
    sizes = {"round-0/a.safetensors": 4, "features/b.sqlite": 4, "pools/c.f32": 4, "round-0/d.safetensors": 4}
    filled(tmp_path, sizes)
    assert make_room(tmp_path, 16 * KIB) == []
    assert [path.name for path in make_room(tmp_path, 9 * KIB)] == ["a.safetensors", "b.sqlite"]
    assert left(tmp_path) == ["c.f32", "d.safetensors"]
    with in_use(tmp_path / "pools/c.f32"):
        pass  # used now: younger than d
    assert [path.name for path in make_room(tmp_path, 5 * KIB)] == ["d.safetensors"]
    (tmp_path / "models/name").mkdir(parents=True)
    (tmp_path / "models/name/model.safetensors").write_bytes(b"0" * 9999)  # a language model is no entry
    assert left(tmp_path) == ["c.f32"]


def test_what_is_in_use_in_another_process_stays(tmp_path):
    filled(tmp_path, {"features/a.sqlite": 4, "round-0/b.safetensors": 4})
    program = (
        "import sys\nfrom pathlib import Path\nfrom vos.storage.bounded import in_use\n"
        "with in_use(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, tmp_path / "features/a.sqlite"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert [path.name for path in make_room(tmp_path, 0.0)] == ["b.safetensors"]
        process.kill()
    assert [path.name for path in make_room(tmp_path, 0.0)] == ["a.sqlite"]


def test_the_files_beside_a_database_go_with_it(tmp_path):
    with FeatureCache(tmp_path / "features", "encoder", 4) as cache:
        cache.put(["a text"], torch.ones(1, 4))
        assert make_room(tmp_path, 0.0) == []  # it is open
    (tmp_path / "features/encoder.sqlite-wal").write_bytes(b"rest")
    assert [path.name for path in make_room(tmp_path, 0.0)] == ["encoder.sqlite"]
    assert [path.name for path in (tmp_path / "features").iterdir() if not path.name.startswith(".")] == []
