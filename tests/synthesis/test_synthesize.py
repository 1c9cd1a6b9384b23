import json

import pytest

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import NAMES, generation_job, job
from vos.errors import RunError
from vos.labeling import read_jsonl, text_uid
from vos.storage.provenance import Provenance
from vos.synthesis.journal import read_journal
from vos.synthesis.synthesize import synthesize
from vos.types import Example


def test_numbers_of_a_record_follow_from_its_text(tiny_encoder, tmp_path):
    work = job(tiny_encoder, toy_examples(40, "p", 100))
    synthesize(work, tmp_path)
    records = read_jsonl(tmp_path / "near_boundary.jsonl")
    assert len(records) == 8
    for record in records:
        batch = work.featurizer.featurize([record.text])
        margin = float(batch.logits[0, 1] - batch.logits[0, 0])
        assert record.margin == pytest.approx(margin, abs=1e-4)
        assert record.probability["harmful"] == pytest.approx(1 / (1 + 2.718281828**-margin), abs=1e-4)
        expected = work.density.mahalanobis(batch.features)[0].tolist()
        assert list(record.mahalanobis.values()) == pytest.approx(expected, rel=1e-3)
        assert record.uid == text_uid(record.text)
        assert record.model_hash == work.featurizer.model_hash


def test_a_record_tells_how_its_text_came_to_be(tiny_encoder, tmp_path):
    work = generation_job(tiny_encoder, toy_examples(40, "p", 100), n=12)
    synthesize(work, tmp_path)
    outcomes = read_journal(tmp_path / "made.jsonl").outcomes
    made = {each.example.id: each for outcome in outcomes.values() for each in outcome.accepted}
    records = read_jsonl(tmp_path / "near_boundary.jsonl")
    assert {record.provenance.source for record in records} > {"pool"}
    for record in records:
        assert record.model_hash == work.featurizer.model_hash
        if record.chosen == "random":
            assert record.target is None
            assert record.provenance == Provenance("pool", seed=0, classifier_texts=1)
            continue
        assert record.provenance == made[record.id].provenance
        assert set(record.provenance.parents) <= {example.id for example in work.data.train}
        assert record.provenance.language_model == "words-lm"
        assert record.target.max_distance == 99.0  # the narrower of the two limits
        assert record.target.distance <= record.target.max_distance
        assert record.target.class_name == NAMES[record.target_index // 6]  # six targets a class, in their order


def test_texts_of_the_pool_name_the_limit_of_the_selection(tiny_encoder, tmp_path):
    work = job(tiny_encoder, toy_examples(40, "p", 100), max_distance=77.0)
    limits = {
        record.chosen: record.target and record.target.max_distance for record in synthesize(work, tmp_path).records
    }
    assert limits == {"target": 77.0, "random": None}


def test_texts_known_already_are_never_proposed(tiny_encoder, tmp_path):
    known = [Example(f"copy-{e.id}", e.text) for e in (*toy_examples(30), *toy_examples(4, "v", 30))]
    new = toy_examples(6, "p", 100)
    result = synthesize(job(tiny_encoder, [*known, *new], n=20), tmp_path)
    assert {r.id for r in result.records} <= {e.id for e in new}
    assert result.report["dropped"]["near-duplicate of a labelled text"] > 0
    assert result.report["written"] < result.report["asked"] == 20


def test_fewer_texts_than_asked_for_is_said(tiny_encoder, tmp_path, caplog):
    synthesize(job(tiny_encoder, toy_examples(5, "p", 100), n=50), tmp_path)
    assert "50 texts asked for, 5 found" in caplog.text


def test_an_empty_pool_is_an_error_with_a_report(tiny_encoder, tmp_path):
    with pytest.raises(RunError, match=r"the pool is empty.*pool\.path=FILE"):
        synthesize(job(tiny_encoder, []), tmp_path)
    assert json.loads((tmp_path / "synthesis.json").read_text())["pool_scored"] == 0
    assert not (tmp_path / "near_boundary.jsonl").exists()


def test_the_order_of_the_pool_changes_nothing_but_the_random_share(tiny_encoder, tmp_path):
    pool = toy_examples(40, "p", 100)
    ways = [
        synthesize(job(tiny_encoder, order, random_share=0.0), tmp_path / str(i)).records
        for i, order in enumerate((pool, pool[::-1]))
    ]
    assert {r.id for r in ways[0]} == {r.id for r in ways[1]}
