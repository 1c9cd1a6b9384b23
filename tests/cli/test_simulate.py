"""experiment=simulated_rounds as a command: select, label by the oracle, retrain, measure; repeat and compare."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

import train
from tests.cli.commands import call, failing
from tests.conftest import ROOT
from vos.storage.json_files import read_json

SMALL = (
    "experiment=simulated_rounds",
    "model.freeze=true",
    "model.max_length=16",
    "simulation.rounds=1",
    "simulation.per_round=20",
    "simulation.seeds=[0,1]",
)


@pytest.mark.slow
def test_the_command_runs_the_loop_and_is_not_run_twice(tmp_path):
    directory = tmp_path / "run"
    command = [sys.executable, "train.py", *SMALL, f"hydra.run.dir={directory}", f"paths.cache={tmp_path}/cache"]
    first = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "Simulated rounds" in first.stdout
    content = read_json(directory / "metrics.json")
    rows = content["rows"]
    assert len(rows) == 2 * 3 * 2  # seeds, strategies, rounds with round 0
    with (directory / "simulation.csv").open(encoding="utf-8", newline="") as file:
        assert [float(row["error_hard"]) for row in csv.DictReader(file)] == [row["error_hard"] for row in rows]
    assert (directory / "simulation.png").read_bytes().startswith(b"\x89PNG")
    assert {row["labels"] for row in rows} == {0, 20}
    for seed in (0, 1):
        assert len({row["error"] for row in rows if row["seed"] == seed and row["round"] == 0}) == 1
    final = content["final"]
    for strategy in ("boundary", "uncertainty"):
        both = [
            sum(row["error_hard"] for row in rows if row["strategy"] == name and row["round"] == 1) / 2
            for name in (strategy, "random")
        ]
        assert final[f"{strategy}/error_hard"] == pytest.approx(both[0])
        assert final[f"{strategy}/error_hard/reduction"] == pytest.approx(1 - both[0] / both[1])
    written = (directory / "metrics.json").stat().st_mtime_ns
    subprocess.run([sys.executable, "train.py", f"resume={directory}"], cwd=ROOT, check=True, capture_output=True)
    assert (directory / "metrics.json").stat().st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.parametrize("warm", [True, False])
def test_an_encoder_that_trains_goes_through_the_rounds_and_leaves_no_job_behind(
    tiny_encoder, monkeypatch, tmp_path, warm
):
    own = [each for each in SMALL if not each.startswith(("model.freeze", "simulation.seeds"))]
    call(train.main, monkeypatch, *own, f"model.name={tiny_encoder}", "trainer.max_epochs=1", f"warm_start={warm}",
         "refine.epochs=1", "simulation.seeds=[0]", "simulation.strategies=[uncertainty,random]",
         "optimized_metric=random/error", f"paths.cache={tmp_path}/cache",
         f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    rows = read_json(tmp_path / "run/metrics.json")["rows"]
    assert [(row["strategy"], row["round"]) for row in rows] == [
        ("uncertainty", 0), ("uncertainty", 1), ("random", 0), ("random", 1)
    ]  # fmt: skip
    assert rows[0]["error"] == rows[2]["error"]
    assert list((tmp_path / "run/fits").iterdir()) == []


def test_an_oracle_that_does_not_know_the_pool_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(20)), "utf-8")
    data = ["data=files", f"data.train={tmp_path / 'a.csv'}"]
    error = failing(train.main, monkeypatch, capsys, *SMALL, *data, f"hydra.run.dir={tmp_path / 'run'}")
    assert "expected a pool whose answers are stored (data=embedded), found FileData" in error


@pytest.mark.parametrize("name", ["nothing/error", "boundary/nothing", "boundary", "boundary/error_hard"])
def test_a_metric_that_the_rounds_will_not_have_is_refused_before_them(monkeypatch, capsys, tmp_path, name):
    rows = [f"on day {i} {('the baker slept', 'the ladder fell')[i % 2]},{i % 2}" for i in range(40)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    data = ["data=files", f"data.train={tmp_path / 'a.csv'}", "data.positive='1'", "simulation.pool=train",
            "simulation.start=10"]  # fmt: skip
    error = failing(train.main, monkeypatch, capsys, *SMALL, *data, f"optimized_metric={name}",
                    f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert "optimized_metric: expected STRATEGY/METRIC of boundary, uncertainty, random and error, error_band" in error
    assert not (tmp_path / "run").exists()
