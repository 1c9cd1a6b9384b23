"""Pools in several files through the command: here, in processes, on Ray; one batch."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

import synthesize
from tests.cli.commands import call, failing, synthesis
from tests.conftest import ROOT, toy_examples

TEXTS = [example.text for example in toy_examples(90, "p", 500)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools") / "pool"
    folder.mkdir()
    for k in range(6):
        rows = "\n".join(json.dumps({"comment": text}) for text in TEXTS[k::6])
        (folder / f"part-{k}.jsonl").write_text(f"{rows}\n", "utf-8")
    return folder


def settings(run, pool, output, *more):
    own = [each for each in synthesis(run, f"output={output}") if not each.startswith("paths.cache")]
    return [
        *own,
        f"paths.cache={output}/cache",
        f"pool.path={pool}",
        "pool.text=comment",
        "acquisition.supply=12",
        *more,
    ]


def batch(output):
    rows = [json.loads(line) for line in (output / "near_boundary.jsonl").read_text("utf-8").splitlines()]
    return [(row["text"], row["chosen"], round(row["margin"], 4)) for row in rows]


def process(run, pool, output, *more, **environment):
    """The command as a process of its own; Ray and spawned workers want a main module that can be imported."""
    command = [sys.executable, str(ROOT / "synthesize.py"), *settings(run, pool, output, *more)]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=surroundings, check=False, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def here(run, pool, tmp_path_factory):
    output = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        call(synthesize.main, patch, *settings(run, pool, output))
    return batch(output)


def test_shards_are_read_here_one_after_the_other(here, run, tmp_path, monkeypatch):
    together = tmp_path / "all.jsonl"
    together.write_text("\n".join(json.dumps({"comment": text}) for text in TEXTS) + "\n")
    call(synthesize.main, monkeypatch, *settings(run, together, tmp_path))
    assert batch(tmp_path) == here


def test_another_column_is_another_pool(run, tmp_path, monkeypatch):
    folder = tmp_path / "pool"
    folder.mkdir()
    for k in range(2):
        rows = (json.dumps({"comment": text, "title": f"title {text}"}) for text in TEXTS[k::2])
        (folder / f"{k}.jsonl").write_text("\n".join(rows) + "\n")
    own = settings(run, folder, tmp_path)
    call(synthesize.main, monkeypatch, *own)
    call(synthesize.main, monkeypatch, *own, "pool.text=title", "overwrite=true")
    assert all(text.startswith("title ") for text, _, _ in batch(tmp_path))


def test_one_file_cannot_be_dealt_out(run, pool, monkeypatch, capsys, tmp_path):
    given = settings(run, pool / "part-0.jsonl", tmp_path, "pool.workers=2")
    assert "expected a pool in several files" in failing(synthesize.main, monkeypatch, capsys, *given)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "part-6.jsonl: expected at least one row"), ('{"comment": "whole"}\n{"comm', "part-6.jsonl:2")],
)
def test_a_bad_shard_is_named_before_any_work(run, tmp_path, monkeypatch, capsys, content, message):
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "part-0.jsonl").write_text('{"comment": "a text"}\n')
    (folder / "part-6.jsonl").write_text(content)
    error = failing(synthesize.main, monkeypatch, capsys, *settings(run, folder, tmp_path))
    assert message in error
    assert not (tmp_path / "cache" / "shards").exists()


@pytest.mark.slow
def test_processes_give_the_same_batch(here, run, pool, tmp_path):
    done = process(run, pool, tmp_path, "pool.workers=2")
    assert done.returncode == 0, done.stderr
    assert batch(tmp_path) == here
    assert len(list((tmp_path / "cache/shards").glob("*.safetensors"))) == 6


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and not os.environ.get("VOS_RAY"), reason="needs the extra ray"
)
def test_ray_gives_the_same_batch(here, run, pool, tmp_path):
    done = process(run, pool, tmp_path, "pool.engine=ray", "pool.workers=2")
    assert done.returncode == 0, done.stderr
    assert batch(tmp_path) == here
