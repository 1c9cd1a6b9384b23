"""precision=auto through the command: decided once, stored with the run, and used by runs that continue it."""

from __future__ import annotations

import json
import sys

import pytest
from omegaconf import OmegaConf

import synthesize
import train
from tests.cli.commands import call, changed_by_hand, failing, synthesis, write_texts
from vos.models.precision import KEPT, processor


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text("utf-8"))


@pytest.fixture
def gains(tmp_path, workplace):
    """Overrides of a cache that says this processor gains from bfloat16."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / KEPT).write_text(json.dumps({processor(): 2.0}))
    others = [each for each in workplace[1] if not each.startswith("paths.cache")]
    return [*others, f"paths.cache={tmp_path / 'cache'}"]


def test_the_choice_stays_with_a_run_and_with_what_goes_on_from_it(gains, monkeypatch, tmp_path):
    call(train.main, monkeypatch, *gains, "logger=none", f"hydra.run.dir={tmp_path / 'run'}")
    assert manifest(tmp_path / "run")["precision"] == "bf16-mixed"
    (tmp_path / "cache" / KEPT).write_text(json.dumps({processor(): 0.5}))  # as if it went on elsewhere
    call(train.main, monkeypatch, f"run={tmp_path / 'run'}", f"hydra.run.dir={tmp_path / 'next'}")
    assert manifest(tmp_path / "next")["precision"] == "bf16-mixed"
    call(train.main, monkeypatch, *gains, "logger=none", f"hydra.run.dir={tmp_path / 'other'}")
    assert manifest(tmp_path / "other")["precision"] == "32-true"


def test_a_run_from_before_there_was_a_choice_keeps_its_own(gains, monkeypatch, tmp_path):
    run = tmp_path / "run"
    call(train.main, monkeypatch, *gains, "logger=none", "precision=32-true", f"hydra.run.dir={run}")
    overrides = [each for each in OmegaConf.load(run / "overrides.yaml") if not each.startswith("precision")]
    OmegaConf.save(OmegaConf.create(overrides), run / "overrides.yaml")
    config = OmegaConf.load(run / "config.yaml")
    del config["precision"]
    OmegaConf.save(config, run / "config.yaml")
    changed_by_hand(run)
    call(train.main, monkeypatch, f"run={run}", f"hydra.run.dir={tmp_path / 'next'}")
    assert manifest(tmp_path / "next")["precision"] == "32-true"


def test_a_pool_scored_in_bfloat16_gives_the_batch_of_float32(run, gains, monkeypatch, tmp_path):
    cache = f"paths.cache={tmp_path / 'cache'}"
    made = {}
    for precision in ("32-true", "auto"):
        own = [each for each in synthesis(run, f"output={tmp_path / precision}") if not each.startswith("paths.cache")]
        monkeypatch.setattr("vos.cli.scoring.FAST_FROM", 0)
        call(synthesize.main, monkeypatch, *own, cache, f"precision={precision}", "acquisition.supply=12")
        made[precision] = (tmp_path / precision / "near_boundary.jsonl").read_text("utf-8")
    assert made["auto"] == made["32-true"]
    kept = sorted(path.name.endswith("-bfloat16.sqlite") for path in (tmp_path / "cache/features").glob("*.sqlite"))
    assert kept == [False, True]


# What decides is scored again by torch, so that the batch is the same whatever scored the pool; texts repeat, so that
# ties abound.
@pytest.mark.parametrize("precision", ["32-true", "auto"])
def test_a_pool_scored_by_openvino_gives_the_batch_of_torch(run, gains, precision, monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    cache = f"paths.cache={tmp_path / 'cache'}"
    monkeypatch.setattr("vos.cli.scoring.FAST_FROM", 0)
    pool = write_texts(tmp_path / "pool.csv", 60, 300)
    made = {}
    for name, *own in (("torch", "precision=32-true"), ("openvino", "runtime=openvino", f"precision={precision}")):
        base = [each for each in synthesis(run, f"output={tmp_path / name}") if not each.startswith("paths.cache")]
        given = (f"pool.path={pool}", "pool.text=comment", "acquisition.supply=12", *own)
        call(synthesize.main, monkeypatch, *base, cache, *given)
        made[name] = (tmp_path / name / "near_boundary.jsonl").read_text("utf-8")
    assert made["openvino"] == made["torch"]
    expected = {"32-true": "openvino-float32", "auto": "openvino-bfloat16"}[precision]
    report = json.loads((tmp_path / "openvino" / "synthesis.json").read_text("utf-8"))
    assert report["scoring"]["pool"] == expected
    assert 12 <= report["scoring"]["again_in_float32"] <= 60
    names = [path.stem for path in (tmp_path / "cache/features").glob("*.sqlite")]
    assert any(name.endswith(f"-{expected}") for name in names)


def test_a_runtime_that_cannot_be_used_is_named_before_any_work(run, monkeypatch, capsys, tmp_path):
    own = synthesis(run, f"output={tmp_path / 'out'}")
    assert "runtime: expected" in failing(synthesize.main, monkeypatch, capsys, *own, "runtime=onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    error = failing(synthesize.main, monkeypatch, capsys, *own, "runtime=openvino")
    assert "\n" not in error.strip()
    assert "runtime=openvino needs the package openvino" in error
    assert not (tmp_path / "out").exists()
