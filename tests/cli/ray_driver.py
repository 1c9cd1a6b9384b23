"""Real Ray with failing workers, for `test_ray_failures`: outcomes are written to outcomes.json."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import ray

from vos.cli.ray_engine import RayEngine
from vos.errors import DataError, VosError


class Toy:
    """Gives back the name of a shard; some names make it fail."""

    def __init__(self, settings):
        self.folder = Path(settings)

    def load(self):
        if (self.folder / "no-memory").exists():
            os._exit(1)
        return True

    def do(self, shard, task):
        if shard.name == "gone":
            raise DataError(f"{shard.address}: expected a file, found nothing there")
        if shard.name == "deadly" or (shard.name == "once" and not (self.folder / "seen").exists()):
            (self.folder / "seen").touch()
            os._exit(1)
        return shard.name.encode(), 1


def outcome(folder, names, workers, patience=600.0):
    """The shards that were done, and the error."""
    (folder / "seen").unlink(missing_ok=True)
    engine = RayEngine(str(folder), workers, patience=patience, scorer=Toy)
    # Nothing of the package travels but errors: a worker that imports torch takes seconds to start.
    shards = [SimpleNamespace(address=f"pool/{name}", name=name) for name in names]
    files = [folder / f"{name}.out" for name in names]
    error = None
    try:
        assert sum(engine(shards, files, task=None)) == len(names)
    except VosError as raised:
        error = f"{type(raised).__name__}: {raised}"
    done = {path.stem: path.read_text() for path in folder.glob("*.out")}
    for path in folder.glob("*.out"):
        path.unlink()
    assert all(name == content for name, content in done.items())
    return sorted(done), error


def main():
    folder = Path(sys.argv[1])
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    found = {
        "all": outcome(folder, ["a", "b", "c", "d", "e"], workers=2),
        "once": outcome(folder, ["a", "once", "b", "c"], workers=2),
        "gone": outcome(folder, ["a", "gone"], workers=1),
        "deadly": outcome(folder, ["deadly", "a"], workers=1),
    }
    (folder / "no-memory").touch()
    found["no memory"] = outcome(folder, ["a"], workers=1)
    (folder / "no-memory").unlink()
    hold = ray.remote(num_cpus=2)(Toy).remote(str(folder))
    ray.get(hold.load.remote())
    found["no room"] = outcome(folder, ["a"], workers=2, patience=1.0)
    (folder / "outcomes.json").write_text(json.dumps(found, allow_nan=False))  # Ray may print at any time


if __name__ == "__main__":
    main()
