"""Rounds with damaged files are trained again, with the same final result; incomplete files are never used."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from vos.errors import RunError
from vos.storage.run_directory import RunDirectory
from vos.training.checkpoint import (
    RoundCheckpoint,
    load_state,
    read_round,
    remove_damaged,
    rounds_to_go_on_from,
    save_state,
    state_path,
)
from vos.training.job import RefineSettings
from vos.training.loop import refine, remove_checkpoints, save_results


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(bytes(content))


def lowest(rounds):
    return min(rounds, key=lambda each: each.metrics["a"]).number


@pytest.fixture
def run(tmp_path):
    """Three rounds, of which the second is the best; the state of the first is gone, as a run leaves it."""
    run = RunDirectory(tmp_path)
    for number, value in enumerate((3.0, 1.0, 2.0)):
        RoundCheckpoint(number, {"a": value}, torch.full((2, 2), value)).write(run)
        if number > 0:
            save_state(nn.Linear(2, 2), state_path(run, number))
    return run


def test_a_round_with_a_damaged_file_counts_as_missing(run):
    assert read_round(run, 0).metrics == {"a": 3.0}
    flip(run.rounds / "0.safetensors")
    assert read_round(run, 0) is None
    text = (run.rounds / "1.json").read_text()
    (run.rounds / "1.json").write_text(text.replace("1.0", "1.5"))
    assert read_round(run, 1) is None
    (run.rounds / "2.json").write_text('{"a": 2.0}')  # without its seal
    assert read_round(run, 2) is None


@pytest.mark.parametrize(
    ("damaged", "left"),
    [(None, 3), ("checkpoints/round-2.safetensors", 2), ("checkpoints/round-1.safetensors", 0), ("rounds/2.json", 2),
     ("rounds/1.json", 0), ("rounds/0.safetensors", 0)],
)  # fmt: skip
def test_a_run_goes_on_from_the_last_round_whose_states_are_whole(run, damaged, left):
    if damaged:
        flip(run.path / damaged, 20)
    assert len(rounds_to_go_on_from(run, lowest)) == left
    assert sorted(path.stem for path in run.rounds.glob("*.json")) == [str(number) for number in range(left)]


def test_weights_with_a_flipped_bit_are_refused_in_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    save_state(nn.Linear(2, 2), path)
    flip(path)
    with pytest.raises(RunError, match="found a damaged one"):
        load_state(nn.Linear(2, 2), path)
    save_state(nn.Linear(2, 2), path)
    with pytest.raises(RunError, match="found a damaged one"):
        load_state(nn.Linear(3, 2), path)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_of_a_fit_is_removed_with_its_round(tmp_path, name):
    for each in ("last.ckpt", "best.ckpt"):
        torch.save({"state_dict": {"a": torch.ones(1000)}}, tmp_path / each)
    remove_damaged(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    path = tmp_path / name
    flip(path, path.read_bytes().index(torch.ones(4).numpy().tobytes()) + 2)
    assert torch.load(path, weights_only=True)["state_dict"]["a"].max() != 1.0  # torch would not have noticed
    remove_damaged(tmp_path)
    assert not tmp_path.exists()


def test_a_run_ends_the_same_after_its_states_were_damaged(job, tmp_path):
    def runs(folder):
        own = replace(job, run=RunDirectory(folder))
        settings = replace(job.settings, refine=RefineSettings(rounds=1, tolerance=-1.0, n_outliers=4, keep="last"))
        return replace(own, settings=settings)

    def numbers(folder):
        return (folder / "metrics.json").read_bytes(), (folder / "model/head.safetensors").read_bytes()

    first = {name: value.clone() for name, value in job.module.state_dict().items()}
    whole = runs(tmp_path / "whole")
    save_results(whole, refine(whole))
    shutil.copytree(tmp_path / "whole", tmp_path / "again")  # killed before it was marked as finished
    for name in ("rounds/1.safetensors", "checkpoints/round-1.safetensors"):
        job.module.load_state_dict(first)
        flip(tmp_path / "again" / name)
        again = runs(tmp_path / "again")
        save_results(again, refine(again))
        assert numbers(tmp_path / "again") == numbers(tmp_path / "whole")
    remove_checkpoints(again)
    assert not again.run.checkpoints.exists()
