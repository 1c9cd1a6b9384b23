"""An index over a pool in several files: stored features per file, and the texts of the whole pool."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import APPROXIMATE, job
from vos.data.sources import PoolFile
from vos.errors import DataError
from vos.mining.acquisition import TargetAcquisition
from vos.mining.pool_features import PoolFeatures, ShardedFeatures, with_sums
from vos.synthesis.by_target import acquire_by_target
from vos.synthesis.job import PoolFolder, Progress
from vos.synthesis.pool_pass import ShardedPass

POOL = toy_examples(60, "p", 200)
EXACT = TargetAcquisition(per_target=10, index="exact", approximate=APPROXIMATE)


@pytest.fixture
def pool(tmp_path):
    """Three files of different sizes."""
    folder = tmp_path / "pool"
    folder.mkdir()
    for name, part in (("a", POOL[:5]), ("b", POOL[5:40]), ("c", POOL[40:])):
        rows = (json.dumps({"text": example.text}) for example in part)
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return PoolFile(path=folder).open()


@pytest.fixture
def work(tiny_encoder, pool, tmp_path):
    whole = job(tiny_encoder, [], n=12)
    whole = replace(whole, data=replace(whole.data, pool=pool))
    return replace(
        whole,
        settings=replace(whole.settings, acquisition=EXACT),
        pools=PoolFolder(tmp_path / "features", "tiny"),
        shards=ShardedPass(pool, tmp_path / "scores"),
    )


def chosen(work, acquisition, tmp_path):
    found = acquire_by_target(work, acquisition, tmp_path / "made.jsonl")
    return [(each.example.text, each.target, each.chosen) for each in found.selection.chosen], found.n_scored


def test_the_index_over_files_gives_the_texts_of_a_search_without_one(work, tmp_path):
    pytest.importorskip("faiss", reason="faiss is in the extra 'retrieval'")
    streamed = chosen(work, TargetAcquisition(per_target=10, approximate=APPROXIMATE), tmp_path)
    assert chosen(work, EXACT, tmp_path) == streamed
    assert streamed[1] == len(POOL)


def test_features_by_file_are_those_of_the_texts_in_the_order_of_the_pool(work, pool):
    store = work.shards.features(work, work.pools)
    expected = work.featurizer.featurize([example.text for example in pool]).features
    assert (store.n, store.d) == expected.shape
    rows = [59, 0, 4, 5, 39, 40, 5]
    torch.testing.assert_close(store.at(rows), expected[rows])
    assert store.at([]).shape == (0, 16)
    starts, parts = zip(*store.chunks(16), strict=True)
    assert starts == (0, 5, 21, 37, 40, 56)
    torch.testing.assert_close(torch.cat(parts), expected)


def test_only_files_that_are_missing_or_new_are_read(work, tmp_path):
    told = []
    work = replace(work, progress=Progress(pool=told.append))
    work.shards.features(work, work.pools)
    assert sum(told) == len(POOL)
    files = sorted((tmp_path / "features").glob("*.f32"))
    assert len(files) == 3
    before = {path: path.stat().st_mtime_ns for path in files}
    (tmp_path / "pool/d.jsonl").write_text('{"text": "one more"}\n')
    more = replace(work, shards=ShardedPass(PoolFile(path=tmp_path / "pool").open(), tmp_path / "scores"))
    told.clear()
    assert more.shards.features(more, more.pools).n == len(POOL) + 1
    assert sorted(told) == [1, 5, 20, 35]
    assert all(path.read_bytes() for path in files)
    assert set(before) < set((tmp_path / "features").glob("*.f32"))


def test_a_file_that_was_cut_is_named(work, tmp_path):
    work.shards.features(work, work.pools)
    path = next((tmp_path / "features").glob("*.f32"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=path.name):
        work.shards.features(work, work.pools)


def test_parts_may_be_empty(tmp_path):
    (tmp_path / "a.f32").write_bytes(b"")
    (tmp_path / "b.f32").write_bytes(with_sums(torch.ones(2, 3)))
    parts = [PoolFeatures.of(tmp_path / name, 3) for name in ("a.f32", "b.f32", "a.f32")]
    store = ShardedFeatures(parts)
    assert store.n == 2
    assert store.at([1]).tolist() == [[1.0, 1.0, 1.0]]


def test_a_damaged_row_is_named(work, tmp_path):
    store = work.shards.features(work, work.pools)
    path = max((tmp_path / "features").glob("*.rows.f32"), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[5] ^= 16
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=rf"{path.name}: expected features as they were written, found a damaged row"):
        store.at(range(store.n))
