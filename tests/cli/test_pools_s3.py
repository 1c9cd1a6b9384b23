"""Pools in S3 through the command: every kind of file gives the same batch; errors are reported before any scoring."""

from __future__ import annotations

import json
from io import BytesIO

import pyarrow
import pytest
from pyarrow import parquet

import synthesize
from tests.cli.commands import call, failing
from tests.cli.pool_commands import TEXTS, batch, here, pool, process, settings  # noqa: F401 - fixtures
from tests.s3_server import BUCKET, s3  # noqa: F401 - a fixture
from vos.data.shards import find_shards

FOLDER = f"s3://{BUCKET}/pool"


def as_parquet(texts):
    content = BytesIO()
    parquet.write_table(pyarrow.table({"comment": texts}), content)
    return content.getvalue()


@pytest.fixture(scope="module")
def kinds(s3):
    """The same texts as those of the folder, dealt out in another way, to files of three kinds."""
    s3.pipe(f"{FOLDER}/a.parquet", as_parquet(TEXTS[:50]))
    s3.pipe(f"{FOLDER}/b/c.jsonl", "".join(json.dumps({"comment": text}) + "\n" for text in TEXTS[50:70]).encode())
    s3.pipe(f"{FOLDER}/b/d.csv", "\n".join(["comment", *TEXTS[70:], ""]).encode())
    s3.pipe(f"{FOLDER}/README.md", b"no table")
    return s3


def test_files_of_three_kinds_give_the_batch_of_a_local_folder(here, kinds, run, tmp_path, monkeypatch):
    call(synthesize.main, monkeypatch, *settings(run, FOLDER, tmp_path))
    assert batch(tmp_path) == here
    scored = tmp_path / "cache/shards"
    before = {path.name: path.stat().st_mtime_ns for path in scored.glob("*.safetensors")}
    assert len(before) == 3
    call(synthesize.main, monkeypatch, *settings(run, FOLDER, tmp_path, "overwrite=true"))
    assert {path.name: path.stat().st_mtime_ns for path in scored.glob("*.safetensors")} == before


def test_patterns_and_single_files_are_found_and_told_apart_by_content(kinds):
    assert [shard.name for shard in find_shards(f"s3://{BUCKET}/pool/b/*")] == ["c.jsonl", "d.csv"]
    assert [shard.name for shard in find_shards(f"s3://{BUCKET}/**/*.parquet")] == ["a.parquet"]
    (one,) = find_shards(f"{FOLDER}/b/d.csv")
    kinds.info(f"{FOLDER}/b/d.csv", refresh=True)  # asked for in another way, which says more
    assert find_shards(f"{FOLDER}/b/d.csv") == (one,)
    kinds.pipe(f"s3://{BUCKET}/other/x.csv", b"comment\none\n")
    before = find_shards(f"s3://{BUCKET}/other")
    kinds.pipe(f"s3://{BUCKET}/other/x.csv", b"comment\ntwo\n")
    after = find_shards(f"s3://{BUCKET}/other")
    assert [each.version == one.version for each, one in zip(before, after, strict=True)] == [False]


@pytest.mark.parametrize("path", ["s3://nowhere/pool", "s3://nowhere/*.csv", f"s3://{BUCKET}/pool/gone.csv"])
def test_a_missing_bucket_or_key_is_named(kinds, run, tmp_path, monkeypatch, capsys, path):
    error = failing(synthesize.main, monkeypatch, capsys, *settings(run, path, tmp_path))
    assert f"pool.path={path}: " in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "cache/shards").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", b"", "expected at least one row"),
        ("rows.csv", b"comment\n", "expected at least one row"),
        ("cut.parquet", as_parquet(TEXTS)[:-40], "expected a parquet file"),
        ("cut.jsonl", b'{"comment": "whole"}\n{"comm', "cut.jsonl:2"),
        ("column.csv", b"body\na text\n", "comment"),
    ],
)
def test_a_bad_file_is_named_before_any_scoring(s3, run, tmp_path, monkeypatch, capsys, name, content, message):
    s3.pipe(f"s3://{BUCKET}/bad/good.csv", b"comment\na text\n")
    s3.pipe(f"s3://{BUCKET}/bad/{name}", content)
    try:
        error = failing(synthesize.main, monkeypatch, capsys, *settings(run, f"s3://{BUCKET}/bad", tmp_path))
    finally:
        s3.rm(f"s3://{BUCKET}/bad", recursive=True)
    assert f"s3://{BUCKET}/bad/{name}" in error
    assert message in error
    assert list((tmp_path / "cache").rglob("*.safetensors")) == []


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_an_error_in_one_line(s3, run, tmp_path):
    done = process(run, FOLDER, tmp_path, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert f"pool.path={FOLDER}: cannot be listed: Could not connect" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_ray_reads_a_pool_in_s3_and_gives_the_same_batch(here, kinds, run, tmp_path):
    done = process(run, FOLDER, tmp_path, "pool.engine=ray", "pool.workers=2")
    assert done.returncode == 0, done.stderr
    assert batch(tmp_path) == here
