"""An atlas of a run with the real encoder, with a kill and resume, from the command line to the page."""

import json
import time

import pytest

from tests.cli.programs import finished, started
from vos.atlas.producers import PRODUCERS

pytestmark = pytest.mark.slow

# Views whose cost does not depend on the number of texts are made on tiny encoders, in tests/atlas.
VIEWS = ("map", "differences", "coverage", "directions", "importance")
SMALL = [
    f"views=[{','.join(VIEWS)}]",
    "n_texts=120",
    "n_units=2",
    "n_outliers=8",
    "progress=false",
    "ledger=none.sqlite",
]


def command(*options, cwd):
    return started("-m", "vos", *options, cwd=cwd, VOS_CACHE=str(cwd / "cache"))


def files(folder):
    return {path.name: path.read_bytes() for path in [*folder.glob("atlas/*.*"), *folder.glob("*.html")]}


def test_an_atlas_goes_on_after_a_kill_and_changes_nothing_when_it_is_whole(tmp_path):
    run = tmp_path / "run"
    finished(command("train", "experiment=smoke", "logger=none", f"hydra.run.dir={run}", cwd=tmp_path))
    options = ["atlas", f"run={run}", *SMALL]
    first = command(*options, cwd=tmp_path)
    while first.poll() is None and not (run / "atlas/directions.json").exists():
        time.sleep(0.05)
    first.kill()
    first.communicate()
    kept = {name: content for name, content in files(run).items() if name.endswith(".json")}
    assert {"texts.json", "control.json", "outliers.json", "directions.json"} <= set(kept)
    assert not (run / "atlas.html").exists()
    told = finished(command(*options, cwd=tmp_path))
    whole = files(run)
    assert all(whole[name] == content for name, content in kept.items())
    assert "kept" in told
    trust = json.loads(whole["trust.json"])
    made = {producer.name for producer in PRODUCERS if producer.view in VIEWS} - set(trust["dropped"])
    assert {"outliers", "coverage", "differences", "directions"} <= made
    assert all(f"{name}.json" in whole for name in made)
    assert trust["peak_memory_mib"] < 4096
    assert 100_000 < len(whole["atlas.html"]) < 4_000_000
    finished(command(*options, cwd=tmp_path))
    assert files(run) == whole
