"""Stored results of quickly scored shards: one file per scoring method, one batch, and the report."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import job
from vos.data.sources import PoolFile
from vos.mining.coverage import CoverageSettings
from vos.synthesis.by_sample import acquire_by_sample
from vos.synthesis.pool_pass import ShardedPass

COVERAGE = CoverageSettings(n_directions=4, supply=20, demand=10)


def test_shards_scored_otherwise_are_scored_anew(tiny_encoder, tmp_path):
    (tmp_path / "pool").mkdir()
    for k in range(2):
        rows = (json.dumps({"text": example.text}) for example in toy_examples(60, "p", 200)[k::2])
        (tmp_path / f"pool/{k}.jsonl").write_text("\n".join(rows) + "\n")
    pool, scores = PoolFile(path=tmp_path / "pool").open(), tmp_path / "scores"
    exact = job(tiny_encoder, [], n=12)
    fast = replace(exact, fast=exact.featurizer)
    batches = []
    for work, files in (
        (exact, 2),
        (replace(fast, scoring="bfloat16"), 4),
        (replace(fast, scoring="openvino-bfloat16"), 6),
        (replace(fast, scoring="bfloat16"), 6),
    ):
        acquired = acquire_by_sample(replace(work, shards=ShardedPass(pool, scores)), COVERAGE, tmp_path / "made.jsonl")
        assert len(list(scores.iterdir())) == files
        again = acquired.report["scoring"]
        assert again["pool"] == work.scoring
        assert (again["again_in_float32"] > 0) is (work.fast is not None)
        batches.append([candidate.example.text for candidate in acquired.selection.chosen])
    assert all(batch == batches[0] for batch in batches)
