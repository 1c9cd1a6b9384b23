"""Records and their versions: files of every version are read exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vos.errors import DataError
from vos.labeling import BoundaryRecord, RecordTarget, read_jsonl
from vos.storage.provenance import Provenance

MADE_2 = (
    '{"uid": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "id": "made-1a2b3c4d5e6f", "text": "a made text", "source": "seeded", '
    '"chosen": "target", "margin": 0.25, "probability": {"harmless": 0.4, "harmful": 0.6}, "mahalanobis": '
    '{"harmless": 9.5, "harmful": 8.25}, "target_id": "z0007", "target_margin": 0.0, "target_mahalanobis": 10.5, '
    '"target_distance": 1.25, "model_hash": "model", "run_hash": "run", "target_class": "harmful", '
    '"max_distance": 1.5, "parents": ["t1", "t2"], "prompt_hash": "prompt", "language_model_hash": "words", '
    '"seed": 42, "lm_tokens": 120, "classifier_texts": 35, "similarity": 0.5, "words_changed": 3, '
    '"parent_margin": -2.5, "schema_version": 2}'
)
POOL_2 = (
    '{"uid": "1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e", "id": "p1", "text": "a text of the pool", "source": "pool", '
    '"chosen": "random", "margin": -0.5, "probability": {"harmless": 0.7, "harmful": 0.3}, "mahalanobis": '
    '{"harmless": 9.5, "harmful": 8.25}, "target_id": null, "target_margin": null, "target_mahalanobis": null, '
    '"target_distance": null, "model_hash": "model", "run_hash": "run", "target_class": null, "max_distance": null, '
    '"parents": [], "prompt_hash": null, "language_model_hash": null, "seed": 7, "lm_tokens": 0, '
    '"classifier_texts": 1, "similarity": null, "words_changed": null, "parent_margin": null, "schema_version": 2}'
)
MADE_1 = (
    '{"uid": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "id": "made-1a2b3c4d5e6f", "text": "a made text", "source": "seeded", '
    '"chosen": "target", "margin": 0.25, "probability": {"harmless": 0.4, "harmful": 0.6}, "mahalanobis": '
    '{"harmless": 9.5, "harmful": 8.25}, "target_id": "z0007", "target_margin": 0.0, "target_mahalanobis": 10.5, '
    '"target_distance": 1.25, "model_hash": "model", "run_hash": "run", "schema_version": 1}'
)
"""Lines as those versions wrote them."""

MADE = BoundaryRecord(
    uid="0f" * 16,
    id="made-1a2b3c4d5e6f",
    text="a made text",
    chosen="target",
    margin=0.25,
    probability={"harmless": 0.4, "harmful": 0.6},
    mahalanobis={"harmless": 9.5, "harmful": 8.25},
    target=RecordTarget("z0007", "harmful", 0.0, 10.5, 1.25, 1.5, ("harmful", "harmless")),
    provenance=Provenance("prefix_conditioned", ("t1", "t2"), "prompt", "words", 42, 120, 35, 0.5, 3, -2.5),
    model_hash="model",
    run_hash="run",
)
POOL = replace(
    MADE,
    uid="1e" * 16,
    id="p1",
    text="a text of the pool",
    chosen="random",
    margin=-0.5,
    probability={"harmless": 0.7, "harmful": 0.3},
    target=None,
    provenance=Provenance("pool", seed=7, classifier_texts=1),
)
OLDER = replace(
    MADE,
    target=replace(MADE.target, class_name=None, max_distance=None, pair=None),
    provenance=Provenance("prefix_conditioned"),
)


def test_lines_of_older_versions_are_read_and_what_they_lack_stays_unknown(tmp_path):
    (tmp_path / "b.jsonl").write_text(f"{MADE_2}\n{POOL_2}\n{MADE_1}\n")
    records = read_jsonl(tmp_path / "b.jsonl")
    assert records == [replace(MADE, target=replace(MADE.target, pair=None)), POOL, OLDER]
    assert {record.schema_version for record in records} == {5}


def test_a_line_of_version_3_lacks_the_pair_alone():
    values = MADE.as_dict() | {"schema_version": 3}
    del values["target"]["pair"]
    assert BoundaryRecord.from_dict(values) == replace(MADE, target=replace(MADE.target, pair=None))


def test_a_record_goes_through_json_unchanged():
    for record in (MADE, POOL, OLDER, BoundaryRecord("uid", "id", "text")):
        assert BoundaryRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record


def test_a_row_has_the_same_flat_names_with_and_without_a_target():
    row = MADE.as_row()
    assert list(row) == list(POOL.as_row())
    assert (row["target_class_name"], row["provenance_parents"]) == ("harmful", ["t1", "t2"])
    assert (row["probability_harmful"], POOL.as_row()["target_id"]) == (0.6, None)


def test_targets_are_known_by_number():
    assert (MADE.target_index, POOL.target_index) == (7, None)
    assert replace(MADE, target=RecordTarget("elsewhere")).target_index is None


def test_a_line_from_before_texts_were_asked_for_is_read():
    values = MADE.as_dict()
    assert values["provenance"].pop("subtlety") is None
    assert BoundaryRecord.from_dict(values) == MADE


def without(line, name):
    values = json.loads(line)
    del values[name]
    return values


NEW = MADE.as_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (NEW | {"schema_version": 6}, r"expected schema_version 5 or older, got 6"),
        (NEW | {"seed": 5}, r"version 5, lacking \[\], too many \['seed'\]"),
        (without(json.dumps(NEW), "target"), r"version 5, lacking \['target'\]"),
        (NEW | {"provenance": NEW["provenance"] | {"sead": 1}}, r"version 5, lacking \[\], too many \['sead'\]"),
        (NEW | {"target": {"id": "z0001"}}, r"version 5, lacking \['class_name', 'distance', "),
        (without(MADE_2, "seed"), r"version 2, lacking \['seed'\], too many \[\]"),
        (json.loads(MADE_2) | {"schema_version": 1}, r"version 1, lacking \[\], too many \['classifier_texts'"),
    ],
)
def test_fields_of_another_version_are_named(values, message):
    with pytest.raises(DataError, match=message):
        BoundaryRecord.from_dict(values)
