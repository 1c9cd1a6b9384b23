"""Pools in several files through the command: in one process and in several, with the same batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.utils import instantiate

import synthesize
from tests.cli.commands import call, failing
from tests.cli.pool_commands import TEXTS, batch, here, pool, process, settings  # noqa: F401 - fixtures
from vos.cli.compose import composed
from vos.cli.pool_engines import sharded_pass
from vos.errors import DataError
from vos.models import load_classifier
from vos.models.truncation import count_truncation


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
    assert list((tmp_path / "cache").rglob("*.safetensors")) == []


@pytest.mark.slow
def test_a_large_pool_is_checked_over_processes(run, pool, tmp_path):
    config = composed("synthesize", settings(run, pool, tmp_path, "pool.workers=2"))
    files = instantiate(config.pool).open()
    dealt, classifier = replace(sharded_pass(config, files), deal_from=0), load_classifier(Path(run) / "model")
    checked = dealt.check(classifier)
    assert checked.truncation == count_truncation(classifier, TEXTS)
    assert len(list((tmp_path / "cache/shards").glob("*.json"))) == 6
    (pool / "part-9.jsonl").write_text('{"comment": "whole"}\n{"comm')
    try:
        damaged = replace(dealt, pool=instantiate(config.pool).open())
        with pytest.raises(DataError, match=r"part-9\.jsonl:2"):
            damaged.check(classifier)
    finally:
        (pool / "part-9.jsonl").unlink()


@pytest.mark.slow
def test_processes_give_the_same_batch(here, run, pool, tmp_path):
    done = process(run, pool, tmp_path, "pool.workers=2")
    assert done.returncode == 0, done.stderr
    assert batch(tmp_path) == here
    assert len(list((tmp_path / "cache/shards").glob("*.safetensors"))) == 6


@pytest.mark.slow
def test_features_for_an_index_come_from_the_same_files_over_processes(run, pool, tmp_path, monkeypatch):
    targets = ["acquisition=targets", "acquisition.index=exact"]
    call(synthesize.main, monkeypatch, *settings(run, pool, tmp_path / "one", *targets))
    done = process(run, pool, tmp_path / "two", "pool.workers=2", *targets)
    assert done.returncode == 0, done.stderr
    assert batch(tmp_path / "two") == batch(tmp_path / "one")
    assert len(list((tmp_path / "two/cache/pools").glob("*.f32"))) == 6
