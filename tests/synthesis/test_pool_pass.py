"""A pool scored by shard: the batch of the whole pool, missing shards scored again, damaged ones reported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import job
from vos.data.sources import PoolFile
from vos.errors import DataError
from vos.mining.coverage import CoverageSettings
from vos.models.truncation import count_truncation
from vos.synthesis.by_sample import acquire_by_sample
from vos.synthesis.pool_check import Checking, check_shard
from vos.synthesis.pool_pass import ShardedPass

POOL = toy_examples(60, "p", 200)
COVERAGE = CoverageSettings(n_directions=4, supply=20, demand=10)


@pytest.fixture
def pool(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    for k in range(3):
        rows = (json.dumps({"text": example.text}) for example in POOL[k::3])
        (folder / f"{k}.jsonl").write_text("\n".join(rows) + "\n")
    return PoolFile(path=folder).open()


@pytest.fixture
def whole(tiny_encoder):
    return job(tiny_encoder, [replace(example, id=str(i), label=None) for i, example in enumerate(POOL)], n=12)


def chosen(work, tmp_path):
    acquired = acquire_by_sample(work, COVERAGE, tmp_path / "made.jsonl")
    return sorted(candidate.example.text for candidate in acquired.selection.chosen), acquired.report["gaps"]


def test_shards_give_the_batch_of_the_whole_pool(whole, pool, tmp_path):
    whole = replace(whole, data=replace(whole.data, pool=PoolFile(path=tmp_path / "pool").open()))
    sharded = replace(whole, shards=ShardedPass(pool, tmp_path / "scores"))
    assert chosen(sharded, tmp_path) == chosen(whole, tmp_path)
    assert len(list((tmp_path / "scores").iterdir())) == 3


def test_a_pass_goes_on_with_the_shards_that_are_missing(whole, pool, tmp_path):
    sharded = replace(whole, shards=ShardedPass(pool, tmp_path / "scores"))
    first = chosen(sharded, tmp_path)
    gone, *others = sorted((tmp_path / "scores").iterdir())
    before = {path: path.stat().st_mtime_ns for path in others}
    gone.unlink()
    assert chosen(sharded, tmp_path) == first
    assert gone.exists()
    assert {path: path.stat().st_mtime_ns for path in others} == before


def test_another_seed_or_another_text_is_scored_anew(whole, pool, tmp_path):
    chosen(replace(whole, shards=ShardedPass(pool, tmp_path / "scores")), tmp_path)
    chosen(replace(whole, seed=1, shards=ShardedPass(pool, tmp_path / "scores")), tmp_path)
    assert len(list((tmp_path / "scores").iterdir())) == 6
    (tmp_path / "pool/0.jsonl").write_text('{"text": "another one"}\n')
    again = PoolFile(path=tmp_path / "pool").open()
    chosen(replace(whole, shards=ShardedPass(again, tmp_path / "scores")), tmp_path)
    assert len(list((tmp_path / "scores").iterdir())) == 7


def test_another_reading_or_another_way_to_measure_gaps_is_scored_anew(whole, pool, tmp_path):
    scores = tmp_path / "scores"
    chosen(replace(whole, shards=ShardedPass(pool, scores)), tmp_path)
    chosen(replace(whole, shards=ShardedPass(pool, scores, reading="text: title")), tmp_path)
    assert len(list(scores.iterdir())) == 6
    wider = replace(whole.settings, potential=replace(whole.settings.potential, delta=0.75))
    chosen(replace(whole, settings=wider, shards=ShardedPass(pool, scores)), tmp_path)
    assert len(list(scores.iterdir())) == 9
    flatter = replace(whole.settings, n_directions=3)
    chosen(replace(whole, settings=flatter, shards=ShardedPass(pool, scores)), tmp_path)
    assert len(list(scores.iterdir())) == 12


def test_a_damaged_shard_file_is_named(whole, pool, tmp_path):
    sharded = replace(whole, shards=ShardedPass(pool, tmp_path / "scores"))
    chosen(sharded, tmp_path)
    path = next((tmp_path / "scores").iterdir())
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=path.name):
        chosen(sharded, tmp_path)


def test_a_pool_is_checked_by_file_and_what_was_read_is_not_read_again(whole, pool, tmp_path):
    classifier = whole.featurizer.classifier
    (tmp_path / "pool/1.jsonl").write_text("".join(json.dumps({"text": "word " * n}) + "\n" for n in (3, 500, 900)))
    pool = PoolFile(path=tmp_path / "pool").open()
    found = ShardedPass(pool, tmp_path / "scores").check(classifier)
    counts = found.truncation
    assert not found.ids.found
    assert counts == count_truncation(classifier, (each.text for each in pool))
    assert counts.texts == len(POOL[0::3]) + 3 + len(POOL[2::3])
    assert counts.lost.total() >= 2
    kept = sorted((tmp_path / "scores").iterdir())
    assert len(kept) == 3
    before = [path.stat().st_mtime_ns for path in kept]
    (tmp_path / "pool/0.jsonl").unlink()  # its check is there: a file that were read now would be missed
    assert ShardedPass(pool, tmp_path / "scores").check(classifier) == found
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_a_damaged_row_is_named_and_the_other_files_stay_checked(whole, pool, tmp_path):
    (tmp_path / "pool/1.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    pool = PoolFile(path=tmp_path / "pool").open()
    with pytest.raises(DataError, match=r"1\.jsonl"):
        ShardedPass(pool, tmp_path / "scores").check(whole.featurizer.classifier)
    assert len(list((tmp_path / "scores").iterdir())) == 1


def test_a_large_pool_is_checked_where_it_is_scored(whole, pool, tmp_path):
    tasks = []

    def engine(waiting, files, task):
        tasks.append(task)
        for shard, path in zip(waiting, files, strict=True):
            yield check_shard(pool.read(shard), whole.featurizer.classifier, path)

    here = ShardedPass(pool, tmp_path / "here").check(whole.featurizer.classifier)
    size = sum(path.stat().st_size for path in (tmp_path / "pool").iterdir())
    for deal_from, dealt in ((size + 1, []), (size, [Checking()])):
        passing = ShardedPass(pool, tmp_path / str(deal_from), engine, deal_from=deal_from)
        assert passing.check(whole.featurizer.classifier) == here
        assert tasks == dealt


def test_files_that_each_number_from_one_lose_no_text_and_keep_their_ids(whole, tmp_path):
    """Whatever the order of the files."""
    batches = []
    for order in ((0, 1, 2), (2, 0, 1)):
        folder = tmp_path / str(order[0])
        folder.mkdir()
        for place, k in enumerate(order):
            rows = (json.dumps({"text": e.text, "id": i}) for i, e in enumerate(POOL[k::3]))
            (folder / f"{place}.jsonl").write_text("\n".join(rows) + "\n")
        pool = PoolFile(path=folder, id="id").open()
        shards = ShardedPass(pool, tmp_path / "scores")
        ids_repeat = shards.check(whole.featurizer.classifier).ids.found
        assert ids_repeat
        data, selection = replace(whole.data, pool=pool), replace(whole.settings.selection, n=60)
        work = replace(whole, data=data, shards=shards, ids_repeat=ids_repeat)
        batches.append(chosen(work, tmp_path))
        everything = replace(work, settings=replace(work.settings, selection=selection))
        settings = CoverageSettings(n_directions=4)
        found = acquire_by_sample(everything, settings, tmp_path / "made.jsonl").selection
        assert sorted(c.example.text for c in found.chosen) == sorted(e.text for e in POOL)
        assert {c.example.id for c in found.chosen} == {str(i) for i in range(20)}
        assert found.dropped == {}
        assert chosen(replace(work, shards=None), tmp_path) == batches[-1]
    assert batches[0] == batches[1]
