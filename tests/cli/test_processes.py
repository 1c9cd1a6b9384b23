"""Several processes that train together, and runs that continue with another number of processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import torch
from safetensors.torch import load_file

import train
from tests.cli.commands import call, failing, steps
from tests.conftest import ROOT

TWO = ("trainer=ddp", "trainer.lightning.accelerator=cpu")
TOLERANCE = 1e-4
"""Of weights and metrics: two processes add up the same numbers in another order."""


@pytest.fixture(scope="module")
def settings(workplace):
    """A frozen encoder without dropout, whose masks differ between processes; rounds with a regulariser follow."""
    return [*workplace[1], "model.freeze=true", "model.dropout=0", "trainer.max_epochs=12", "refine.rounds=2",
            "refine.tolerance=-1", "refine.keep=last", "logger=none"]  # fmt: skip


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """A run of one process, never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(train.main, patch, *settings, f"paths.cache={folder / 'cache'}", f"hydra.run.dir={folder / 'run'}")
    return folder / "run"


@contextmanager
def started(folder, *overrides):
    """The program as processes of a group of their own, none of which outlives the block; it prints to `said.txt`."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides]
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen(command, cwd=folder, stdout=said, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def killed(folder, settings):
    """A run that was killed after its first epoch, with all its processes."""
    run = folder / "run"
    with started(folder, *settings, f"paths.cache={folder / 'cache'}", f"hydra.run.dir={run}") as process:
        deadline = time.monotonic() + 300
        while not (run / "checkpoints/round-0/last.ckpt").exists():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    assert json.loads((run / "manifest.json").read_text())["status"] == "running"
    return run


def assert_same_numbers(run, whole):
    """The same weights and metrics, whatever the number of processes."""
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"
    first, second = (load_file(each / "model/head.safetensors") for each in (whole, run))
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=TOLERANCE, atol=TOLERANCE)
    finals = [json.loads((each / "metrics.json").read_text())["final"] for each in (whole, run)]
    assert finals[1] == pytest.approx(finals[0], rel=TOLERANCE, abs=TOLERANCE, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_a_run_of_two_processes_that_was_killed_goes_on_in_one(settings, whole, monkeypatch, tmp_path, trainer):
    run = killed(tmp_path, [*settings, f"trainer={trainer}", "trainer.lightning.accelerator=cpu"])
    call(train.main, monkeypatch, f"resume={run}", "trainer=cpu", "trainer.lightning.accelerator=cpu")
    said = "".join(path.read_text("utf-8") for path in run.glob("*.log"))
    assert re.search(r"goes on with \{.*'devices': 1.*it began with \{.*'devices': 2", said)
    assert_same_numbers(run, whole)


@pytest.mark.slow
def test_a_run_of_one_process_that_was_killed_goes_on_in_two(settings, whole, tmp_path):
    run = killed(tmp_path, settings)
    with started(tmp_path, f"resume={run}", *TWO) as process:
        assert process.wait(timeout=300) == 0
    assert_same_numbers(run, whole)


@pytest.mark.slow
def test_two_processes_end_with_the_numbers_of_one_and_report_once(settings, whole, tmp_path):
    run, began = tmp_path / "run", time.monotonic()
    own = [*settings, *TWO, "logger=wandb", f"paths.cache={tmp_path / 'cache'}", f"hydra.run.dir={run}"]
    with started(tmp_path, *own) as process:
        assert process.wait(timeout=300) == 0
    took = time.monotonic() - began
    assert_same_numbers(run, whole)
    said = (tmp_path / "said.txt").read_text("utf-8")
    for once in ("The boundary, by round", "round 0:", "Run finished", "next: "):
        assert said.count(once) == 1
    assert len([path for path in (run / "wandb").glob("offline-run-*") if path.is_dir()]) == 1
    assert [row["step"] for row in steps(run, 0) if "train/cross_entropy" in row] == list(range(12 * 5))
    # The time of one process, not of both, is no longer than that of the command.
    assert json.loads((run / "manifest.json").read_text())["wall_seconds"] <= took + 0.1


@pytest.mark.skipif(torch.cuda.device_count() > 1, reason="is about a machine without GPUs")
def test_sharding_over_gpus_that_are_not_there_is_refused_before_any_work(workplace, monkeypatch, tmp_path, capsys):
    error = failing(train.main, monkeypatch, capsys, *workplace[1], "trainer=fsdp", f"hydra.run.dir={tmp_path / 'run'}")
    assert "trainer=fsdp: expected 2 GPUs (trainer.lightning.devices), found" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
