"""Around training: one owner per folder, failed starts, sweeps, tables next to the ledger, rehearsals."""

import csv
import json
import math
import re
import shutil

import pytest
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

import synthesize
import train
from tests.cli.commands import call, changed_by_hand, failing, synthesis
from vos.cli.compose import composed, prepare
from vos.labeling import Label, read_jsonl, write_labels
from vos.storage.json_files import numbers, read_json
from vos.storage.lock import owned
from vos.storage.run_directory import RunDirectory
from vos.training.job import FitSettings


def test_a_folder_in_which_another_process_works_is_refused_and_left_alone(workplace, monkeypatch, tmp_path, capsys):
    with owned(tmp_path / "run"):
        (tmp_path / "run/config.yaml").write_text("of the other process")
        error = failing(train.main, monkeypatch, capsys, *workplace[1], f"hydra.run.dir={tmp_path / 'run'}")
        assert (tmp_path / "run/config.yaml").read_text() == "of the other process"
    assert f"{tmp_path / 'run'}: process " in error
    assert "works in this folder; expected nobody" in error
    assert len(error.strip().splitlines()) == 1


def test_two_starts_in_one_second_get_folders_of_their_own():
    prepare()
    configs = [OmegaConf.create({"folder": "${run_directory:null,outputs}"}) for _ in range(20)]
    names = {config.folder for config in configs}
    assert len(names) == 20
    assert all(re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-[0-9a-f]{6}", name) for name in names)
    assert configs[0].folder == configs[0].folder  # one run asks several times


def test_what_fails_before_anything_was_trained_leaves_no_folder(workplace, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    own = [each for each in workplace[1] if not each.startswith("model.name")]
    for override in (f"model.name={tmp_path / 'none'}", "data.text=nothing"):
        error = failing(train.main, monkeypatch, capsys, *own, "logger=none", override)
        assert len(error.strip().splitlines()) == 1
        assert list(tmp_path.iterdir()) == []


def test_a_sweep_goes_on_past_a_failed_run_and_compares_the_others(workplace, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    own = [*workplace[1], "logger=none", "outliers=tail", "trainer.max_epochs=1", "hydra.sweep.dir=sweep"]
    with pytest.raises(SystemExit) as caught:
        call(train.main, monkeypatch, "-m", *own, "outliers.distance=0.9,2,0.99")
    assert caught.value.code == 2
    with (tmp_path / "sweep/comparison.csv").open(newline="") as file:
        assert [row["outliers.distance"] for row in csv.DictReader(file)] == ["0.9", "0.99"]
    told = capsys.readouterr()
    message = "outliers.distance: expected a number in (0, 1), got 2"
    (line,) = [line for line in told.out.splitlines() if line.startswith("failed: ")]
    assert line == f"failed: 1 (outliers.distance=2): {message}"
    assert f"{message}; the sweep goes on" in told.err
    failed = json.loads((tmp_path / "sweep/1/failed.json").read_text())
    assert (failed["error"], failed["exit_code"]) == (message, 2)
    assert [path.name for path in (tmp_path / "sweep/1").iterdir()] == ["failed.json"]


def test_an_inherited_band_without_a_text_gives_null_and_the_run_says_what_that_means(run, monkeypatch, tmp_path):
    before = tmp_path / "before"
    shutil.copytree(run, before, ignore=shutil.ignore_patterns("wandb", "steps"))
    metrics = json.loads((before / "metrics.json").read_text())
    metrics["final"]["boundary/band"] = 1e-12
    (before / "metrics.json").write_text(json.dumps(metrics))
    changed_by_hand(before)
    after = tmp_path / "after"
    call(train.main, monkeypatch, f"run={before}", "logger=csv", "trainer.max_epochs=1", "refine.keep=last",
         f"hydra.run.dir={after}")  # fmt: skip

    def refuse(name):
        raise AssertionError(name)

    found = json.loads((after / "metrics.json").read_text(), parse_constant=refuse)
    assert found["rounds"][1]["boundary/shift"] is None
    assert "boundary/shift is unknown and refine.tolerance ends nothing" in found["stopped_because"]
    kept = json.loads((after / "rounds/1.json").read_text(), parse_constant=refuse)
    assert kept["boundary/shift"] is None
    with (after / "rounds.csv").open(newline="") as file:
        assert [row["boundary/shift"] for row in csv.DictReader(file)] == ["", ""]
    # A finished run is read again: null comes back as a number that is none.
    assert math.isnan(numbers(read_json(after / "metrics.json")["final"])["boundary/shift"])
    call(train.main, monkeypatch, f"run={before}", "logger=csv", "trainer.max_epochs=1", "refine.keep=last",
         f"hydra.run.dir={after}")  # fmt: skip
    assert RunDirectory(after).is_finished


@pytest.fixture
def labelled(run, monkeypatch, tmp_path):
    """A run of one's own whose directory holds the ledger, with answers to its batch."""
    own = tmp_path / "own"
    shutil.copytree(run, own, ignore=shutil.ignore_patterns("wandb", "steps"))
    ledger = f"ledger={own / 'ledger.sqlite'}"
    paged = [each for each in synthesis(run, ledger, f"output={tmp_path / 'batch'}") if each != "labeling=none"]
    call(synthesize.main, monkeypatch, *paged)
    records = read_jsonl(tmp_path / "batch/near_boundary.jsonl")
    answers = [Label(r.uid, "ann", ("no", "yes")[i % 2], "2026-11-21T10:00:00Z") for i, r in enumerate(records)]
    write_labels(tmp_path / "answers.jsonl", answers)
    return own, [f"run={own}", "labels=files", f"labels.path={tmp_path / 'answers.jsonl'}", "logger=none"]


def test_the_table_of_labelling_rounds_leaves_that_of_the_run_alone(labelled, monkeypatch, tmp_path):
    own, command = labelled
    before = (own / "rounds.csv").read_bytes()
    call(train.main, monkeypatch, *command, f"ledger={own / 'ledger.sqlite'}", f"hydra.run.dir={tmp_path / 'next'}")
    assert (own / "rounds.csv").read_bytes() == before
    with (own / "labelling_rounds.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["round"], row["labels"]) == ("1", "10")


def test_a_rehearsal_creates_nothing_and_a_ledger_that_is_not_there_is_no_new_one(
    labelled, monkeypatch, tmp_path, capsys
):
    own, command = labelled
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = sorted(own.iterdir()), (own / "ledger.sqlite").read_bytes()
    with pytest.raises(SystemExit) as caught:
        call(train.main, monkeypatch, *command, f"ledger={own / 'ledger.sqlite'}", "dry_run=true")
    assert caught.value.code == 0
    assert (sorted(own.iterdir()), (own / "ledger.sqlite").read_bytes()) == before
    capsys.readouterr()
    for more in (["dry_run=true"], []):
        error = failing(train.main, monkeypatch, capsys, *command, f"ledger={own / 'leger.sqlite'}", *more)
        assert f"ledger={own / 'leger.sqlite'}: expected the ledger that the texts were asked through" in error
        assert f"did you mean {own / 'ledger.sqlite'}?" in error
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert sorted(own.iterdir()) == before[0]


def test_paths_at_the_end_of_a_run_are_relative_whole_and_can_be_copied(workplace, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    name = "a-name-that-is-longer-than-the-screen-is-wide-by-far"
    call(train.main, monkeypatch, *workplace[1], "logger=none", "refine.rounds=0", "trainer.max_epochs=1",
         f"hydra.run.dir={name}")  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert f"metrics.json: {name}/metrics.json" in lines
    assert f"next: python -m vos synthesize run={name} n=100" in lines
    assert sum(f"{tmp_path}" in line for line in lines) == 0
    call(train.main, monkeypatch, *workplace[1], "logger=none", "refine.rounds=0", "trainer.max_epochs=1",
         "data.pool=null", "hydra.run.dir=no-pool")  # fmt: skip
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "next: python -m vos synthesize run=no-pool n=100 pool.path=UNLABELLED.csv"


def test_the_default_of_the_epochs_stands_in_one_place():
    config = composed("train")
    assert config.trainer.max_epochs == config.callbacks.max_epochs == FitSettings().max_epochs


@pytest.mark.slow
def test_round_0_is_taken_from_the_cache_only_if_the_same_would_be_trained(
    workplace, tiny_encoder, monkeypatch, tmp_path, capsys
):
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    own = [*workplace[1], f"model.name={encoder}", f"paths.cache={tmp_path / 'cache'}", "logger=csv",
           "trainer.max_epochs=1", "refine.rounds=0"]  # fmt: skip

    def is_trained(name, *more):
        call(train.main, monkeypatch, *own, *more, f"hydra.run.dir={tmp_path / name}")
        return (tmp_path / name / "steps/round-0/metrics.csv").exists()

    assert is_trained("first")
    assert not is_trained("again")
    assert is_trained("longer", "callbacks.max_epochs=2")
    # What decides the result is a setting of the run; what only shows it is not.
    same = [*own, f"hydra.run.dir={tmp_path / 'first'}"]
    call(train.main, monkeypatch, *same, "callbacks=default", "callbacks.keep_checkpoints=true")
    for other in ("callbacks.patience=0", "callbacks.max_epochs=2"):
        assert "holds a run whose config_hash is" in failing(train.main, monkeypatch, capsys, *same, other)
    # The folder of the model keeps its name, and changes.
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.3}))
    assert is_trained("other dropout")
    weights = {name: value * 0.9 for name, value in load_file(encoder / "model.safetensors").items()}
    save_file(weights, encoder / "model.safetensors", {"format": "pt"})
    assert is_trained("other weights")
    assert not is_trained("other weights again")
