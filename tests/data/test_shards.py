"""Pools of several files: which files a path matches, their order, and the error if there are none."""

from __future__ import annotations

import json

import fsspec
import pytest

from vos.data.shards import ShardedPool, find_shards, is_sharded
from vos.data.sources import PoolFile
from vos.errors import DataError
from vos.storage.text_ids import text_uid


@pytest.fixture
def folder(tmp_path):
    for name, n in (("b/two.jsonl", 2), ("a.jsonl", 3), ("c.csv", 1)):
        path = tmp_path / "pool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [f"text {i} of {name}" for i in range(n)]
        rows = (
            "text\n" + "\n".join(texts) if name.endswith("csv") else "\n".join(json.dumps({"text": t}) for t in texts)
        )
        path.write_text(rows + "\n", "utf-8")
    (tmp_path / "pool" / "README.md").write_text("no table")
    return tmp_path / "pool"


def texts(pool):
    return [example.text for example in pool]


@pytest.mark.parametrize("path", ["{0}", "file://{0}", "{0}/**/*.*"])
def test_a_folder_a_pattern_and_an_address_name_the_same_files_in_the_same_order(folder, path):
    pool = PoolFile(path=path.format(folder)).open()
    assert isinstance(pool, ShardedPool)
    assert [shard.name for shard in pool.shards] == ["a.jsonl", "b/two.jsonl", "c.csv"]
    assert texts(pool) == texts(pool)
    assert texts(pool)[0] == "text 0 of a.jsonl"
    assert [example.id for example in pool] == [text_uid(text) for text in texts(pool)]
    assert pool.size is None


def test_one_file_is_no_shard(folder):
    assert not isinstance(PoolFile(path=folder / "a.jsonl").open(), ShardedPool)
    odd = folder / "pool[1].csv"
    odd.write_text("text\nhello\n")
    assert not is_sharded(str(odd))


def test_a_store_of_fsspec_is_read_and_its_files_are_named_by_address(folder):
    store = fsspec.filesystem("memory")
    store.pipe("/pools/x.jsonl", b'{"text": "far away"}\n')
    store.pipe("/pools/y.csv", b"text\n")
    try:
        assert texts(PoolFile(path="memory://pools/*.jsonl").open()) == ["far away"]
        with pytest.raises(DataError, match=r"memory:///?pools/y\.csv: expected at least one row"):
            texts(PoolFile(path="memory://pools").open())
    finally:
        store.rm("/pools", recursive=True)


def test_another_content_is_another_version(folder):
    before = find_shards(str(folder))
    (folder / "a.jsonl").write_text('{"text": "something else altogether"}\n')
    after = find_shards(str(folder))
    assert [a.version == b.version for a, b in zip(before, after, strict=True)] == [False, True, True]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{0}/nothing/*.jsonl", "expected files that end in .csv, "),
        ("{0}/*.md", "expected files that end in .csv, "),
        ("nowhere://x/*.csv", "Protocol not known: nowhere"),
    ],
)
def test_what_is_not_there_is_named(folder, path, message):
    with pytest.raises(DataError) as caught:
        PoolFile(path=path.format(folder)).open()
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_and_a_damaged_file_are_named(folder):
    (folder / "d.jsonl").write_text("")
    with pytest.raises(DataError, match=r"d\.jsonl: expected at least one row of data"):
        PoolFile(path=folder).open()
    (folder / "d.jsonl").write_text('{"text": "good"}\n{"text": \n')
    with pytest.raises(DataError, match=r"d\.jsonl:2"):
        texts(PoolFile(path=folder).open())
