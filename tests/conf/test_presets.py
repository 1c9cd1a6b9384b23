"""The presets of conf/experiment and conf/sweep, run by the real command on small files."""

import csv
import io
import json

import pytest
import yaml
from PIL import Image

import train
from tests.cli.commands import call, steps
from tests.conftest import ROOT
from vos.density import load_density

pytestmark = pytest.mark.slow


def without(overrides, *names):
    return [each for each in overrides if not each.startswith(names)]


def test_the_published_algorithm_runs(three_classes, monkeypatch, tmp_path):
    own = without(three_classes, "trainer.max_epochs", "refine.rounds", "model.freeze")
    call(train.main, monkeypatch, "experiment=vos_paper", "trainer.max_epochs=3", *own, f"hydra.run.dir={tmp_path}")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["density"]["memory"] == "queue"
    assert config["outliers"]["_target_"] == "vos.outliers.TailSampler"
    assert config["outliers"]["draws"] == 10000
    assert config["loss"]["module"]["_target_"] == "vos.losses.EnergyUncertainty"
    rows = [row for row in steps(tmp_path, 0) if "train/cross_entropy" in row]
    assert len(rows) == 12  # three epochs of four batches
    assert ["train/regularizer" in row for row in rows] == [False] * 8 + [True] * 4  # from the third epoch on
    assert len(json.loads((tmp_path / "metrics.json").read_text())["rounds"]) == 1
    assert load_density(tmp_path / "density.safetensors").ready.all()


SWEEPS = {"distance": "outliers.distance", "margin": "outliers.margin"}
PROPOSED = ("optuna",)  # Has no grid: tests/cli/test_sweeps.py runs it.
# A head that has seen 48 texts lies too far from every class for a boundary point at a small radius.
FEASIBLE = {"distance": "outliers=tail", "margin": "outliers.distance=null"}


def test_every_sweep_is_here():
    assert sorted((*SWEEPS, *PROPOSED)) == sorted(path.stem for path in (ROOT / "conf/sweep").glob("*.yaml"))


@pytest.mark.parametrize("preset", SWEEPS)
def test_a_sweep_runs_and_its_table_holds_the_numbers_of_its_runs(three_classes, monkeypatch, tmp_path, preset):
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / f"conf/sweep/{preset}.yaml").read_text())["hydra"]["sweeper"]["params"]
    values = params[SWEEPS[preset]].split(",")
    own = [*three_classes, FEASIBLE[preset], "hydra.sweeper.params.seed=0", "hydra.sweep.dir=sweep"]
    call(train.main, monkeypatch, f"sweep={preset}", *own)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sweep/comparison.csv").read_text())))
    assert [float(row[SWEEPS[preset]]) for row in rows] == [float(value) for value in values]
    for row, value in zip(rows, values, strict=True):
        run = tmp_path / "sweep" / row["run"]
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert config["outliers"][preset] == float(value)
        final = json.loads((run / "metrics.json").read_text())["final"]
        assert {name: float(row[name]) for name in final} == final
        assert {name for name in row if row[name] and name.startswith(("boundary/", "ood/"))} == set(final)
    assert len({row["boundary/outlier_energy_auroc"] for row in rows}) > 1
    with Image.open(tmp_path / "sweep/comparison.png") as picture:
        width, height = picture.size
    assert width > 500
    assert height > 300
