"""Sweeps with launchers and sweepers of other packages, and the comparison at their end."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys

import pytest

from tests.conftest import ROOT

needs = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None, reason="needs the extra sweep"
)


def sweep(folder, overrides, *more):
    """The table of a sweep that ran as a process of its own, and what it printed."""
    command = [sys.executable, str(ROOT / "train.py"), "-m", *overrides, "refine.rounds=1", "trainer.max_epochs=1",
               f"hydra.sweep.dir={folder}", *more]  # fmt: skip
    done = subprocess.run(command, cwd=folder.parent, check=False, capture_output=True, text=True, timeout=600)
    with (folder / "comparison.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file)), done


@needs
@pytest.mark.slow
def test_two_processes_at_a_time_beside_a_preset_and_one_bad_job(workplace, tmp_path):
    rows, done = sweep(
        tmp_path / "runs", workplace[1], "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "sweep=distance",
        "outliers.distance=0.5,2.0", "seed=0,1", "logger=none",
    )  # fmt: skip
    assert [(row["run"], row["seed"]) for row in rows] == [("0", "0"), ("1", "1")]
    assert done.returncode == 2
    assert "failed: 2 (" in done.stdout
    with (tmp_path / "runs/comparison_over_seeds.csv").open(encoding="utf-8") as file:
        (together,) = csv.DictReader(file)
    first, second = (float(row["boundary/test/accuracy"]) for row in rows)
    assert float(together["boundary/test/accuracy"]) == pytest.approx((first + second) / 2)
    printed = [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("comparison")]
    assert {path.rsplit("/", 1)[-1] for path in printed} >= {"comparison.csv", "comparison_over_seeds.csv"}
    assert all((tmp_path / path).exists() for path in printed)


@needs
@pytest.mark.slow
def test_proposals_in_memory_and_jobs_of_submitit(workplace, tmp_path):
    proposed, done = sweep(tmp_path / "optuna", workplace[1], "sweep=optuna", "hydra.sweeper.n_trials=2", "logger=none")
    assert done.returncode == 0, done.stderr
    assert all(0.5 <= float(row["outliers.distance"]) <= 0.999 for row in proposed)
    assert len({row["loss.settings.weight"] for row in proposed}) == 2
    local, done = sweep(tmp_path / "local", workplace[1], "hydra/launcher=submitit_local", "seed=3,4", "logger=none")
    assert done.returncode == 0, done.stderr
    assert [row["seed"] for row in local] == ["3", "4"]
