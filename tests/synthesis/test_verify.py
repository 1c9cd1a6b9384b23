"""A file is verified from its texts alone: correct files pass, every kind of change is reported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import NAMES, generation_job
from tests.toy_language import WordLanguage
from vos.errors import ConfigError, DataError, ModelError
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.synthesis.synthesize import synthesize
from vos.synthesis.verify import VerificationSettings, verify
from vos.synthesis.writing_targets import FILE as WRITING_TARGETS

SETTINGS = VerificationSettings(tolerance=1e-4, sample=2)


@pytest.fixture(scope="module")
def batch(tiny_encoder, tmp_path_factory):
    """A written batch with made texts: folder and job."""
    folder = tmp_path_factory.mktemp("batch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pool = [replace(example, group=f"thread {example.id}") for example in toy_examples(40, "p", 100)]
        work = generation_job(tiny_encoder, pool, n=12)
    synthesize(work, folder)
    return folder, work


@pytest.fixture
def check(batch, tmp_path):
    """Verify a changed copy of one of the two files."""
    folder, work = batch

    def call(name="near_boundary.jsonl", change=lambda rows: None, settings=SETTINGS, job=work):
        rows = [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]
        change(rows)
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return verify(tmp_path / name, job, settings)

    return call


def made(rows):
    return next(row for row in rows if row["provenance"]["source"] != "pool")


def put(row, field, value):
    """Set a value of a record, nested ones by `target.margin` and the like."""
    *path, name = field.split(".")
    for part in path:
        row = row[part]
    assert name in row
    row[name] = value


@pytest.mark.parametrize(("name", "per_text"), [("near_boundary.jsonl", 15), ("made.jsonl", 8)])
def test_a_true_file_passes_where_it_was_written(batch, name, per_text):
    folder, work = batch
    result = verify(folder / name, work, SETTINGS)
    assert result.mismatches == []
    assert result.reproduced == 2
    assert result.texts >= result.made > 0
    assert result.values > per_text * result.texts
    (reason,) = result.not_reproduced
    assert reason == "only a sample is made again (verification.sample=2 targets)"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", "0" * 16),
        ("id", "made-000000000000"),
        ("margin", 9.0),
        ("target.margin", 0.9),
        ("target.mahalanobis", 1.0),
        ("target.distance", 0.1),
        ("target.distance", float("nan")),
        ("target.id", "z0099"),
        ("target.id", "nothing"),
        ("target", None),
        ("target.class_name", "nobody"),
        ("target.max_distance", 0.5),
        ("chosen", "random"),
        ("provenance.similarity", 0.99),
        ("model_hash", "another"),
        ("run_hash", "another"),
        ("provenance.parents", ["t0", "nobody"]),
        ("probability", {"harmless": 0.9, "harmful": 0.1}),
        ("mahalanobis", {"harmless": 0.9, "harmful": 0.1}),
        ("provenance.language_model", "another"),
    ],
)
def test_a_changed_value_is_named_with_both_values(check, field, value):
    names = []
    result = check(change=lambda rows: (names.append(made(rows)["id"]), put(made(rows), field, value)))
    fields = {mismatch.field for mismatch in result.mismatches if mismatch.id in [*names, value]}
    expected = {
        "probability": {"probability_harmful"},
        "mahalanobis": {"mahalanobis_harmful"},
        "target": {"chosen"},  # without a target, the text should be of the random share
    }.get(field, {field.replace(".", "_")})
    assert expected <= fields


def test_one_changed_digit_beyond_the_tolerance_is_named(check):
    def change(rows):
        rows[0]["margin"] = round(rows[0]["margin"], 3) + 0.004

    (mismatch,) = check(change=change).mismatches
    assert mismatch.field == "margin"
    assert abs(mismatch.stored - mismatch.found) > 1e-3
    assert f"{mismatch.id}: margin is {mismatch.stored!r} in the file, {mismatch.found!r} when" in str(mismatch)


def test_targets_of_another_synthesis_are_no_part_of_a_batch(batch, tmp_path):
    folder, work = batch
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / WRITING_TARGETS).write_bytes(b"left by an interrupted synthesis")
    assert verify(tmp_path / "near_boundary.jsonl", work, SETTINGS).mismatches == []


def test_a_group_that_a_made_text_cannot_have_is_named(check):
    result = check(change=lambda rows: made(rows).update(group="thread p1"))
    assert [mismatch.field for mismatch in result.mismatches] == ["group"]


def test_the_smallest_change_of_a_file_where_it_was_written_is_seen(batch, tmp_path):
    folder, work = batch
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (tmp_path / "near_boundary.csv").read_text("utf-8")
    (tmp_path / "near_boundary.csv").write_text(text[:-3] + "9" + text[-2:], encoding="utf-8")
    (mismatch,) = verify(tmp_path / "near_boundary.jsonl", work, SETTINGS).mismatches
    assert (mismatch.id, mismatch.field) == ("near_boundary.csv", "sha256")
    (tmp_path / "near_boundary.csv").unlink()
    (mismatch,) = verify(tmp_path / "near_boundary.jsonl", work, SETTINGS).mismatches
    assert mismatch.found is None


def test_a_changed_text_is_named_and_not_shown(check):
    result = check(change=lambda rows: made(rows).update(text="w1 w2 w3 a different text altogether."))
    assert {"uid", "id", "margin", "target_distance"} <= {mismatch.field for mismatch in result.mismatches}
    assert "different" not in "".join(map(str, result.mismatches))


def test_texts_of_the_pool_carry_the_seed_of_the_synthesis(check):
    def change(rows):
        found = next(row["provenance"] for row in rows if row["provenance"]["source"] == "pool")
        found.update(seed=4, lm_tokens=1, classifier_texts=0)

    assert {m.field for m in check(change=change).mismatches} == {
        "provenance_seed", "provenance_lm_tokens", "provenance_classifier_texts",
    }  # fmt: skip


@pytest.mark.parametrize("field", ["seed", "lm_tokens", "classifier_texts", "prompt_hash", "source", "words_changed"])
def test_how_a_text_came_to_be_is_checked_where_it_is_made_again(check, field):
    value = {"prompt_hash": "another", "source": "counterfactual"}.get(field, 7)
    everything = replace(SETTINGS, sample=99)
    result = check(change=lambda rows: put(made(rows), f"provenance.{field}", value), settings=everything)
    assert [mismatch.field for mismatch in result.mismatches] == [f"provenance_{field}"]
    assert result.not_reproduced == {}


def test_a_text_that_its_seed_does_not_give_is_named(check):
    def change(rows):
        target = made(rows)["target"]
        target["id"] = f"z{(int(target['id'][1:]) + 1) % 12:04d}"

    fields = {mismatch.field for mismatch in check(change=change, settings=replace(SETTINGS, sample=99)).mismatches}
    assert "target_distance" in fields
    assert any(field.startswith("text made again from the seed of z") for field in fields)


def test_a_changed_journal_is_named(check):
    def change(rows):
        rows[1]["accepted"][0].update(margin=9.0, distance=5.0, probability=[1.0, 0.0])

    fields = {mismatch.field for mismatch in check("made.jsonl", change).mismatches}
    assert fields == {"margin", "target_distance", "probability_harmless", "probability_harmful"}


def test_another_model_fails_everywhere(check, batch, tiny_encoder):
    _, work = batch
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=32)
    with torch.no_grad():
        classifier.linear_head()[0][0] += torch.arange(16) / 16
    other = replace(work, featurizer=ClassifierFeaturizer(classifier))
    result = check(job=other, settings=replace(SETTINGS, sample=0))
    fields = [mismatch.field for mismatch in result.mismatches]
    assert fields.count("model_hash") == fields.count("margin") == result.texts == 12


def test_what_cannot_be_made_again_is_said(check, batch):
    _, work = batch

    def unavailable():
        raise ModelError("pip install what is missing")

    generation = work.settings.generation
    for other, reason in (
        (replace(generation, language_model=unavailable), "the language model cannot be had: pip install"),
        (None, "name no language model"),
    ):
        settings = replace(work.settings, generation=other)
        limits = {"max_distance": 1e9} if other is None else {}
        result = check(
            change=lambda rows, limits=limits: [row["target"].update(limits) for row in rows if row["target"]],
            job=replace(work, settings=settings),
        )
        assert result.mismatches == []
        assert result.reproduced == 0
        assert [(reason in why, n) for why, n in result.not_reproduced.items()] == [(True, result.made)]


def test_another_language_model_is_named(check, monkeypatch):
    monkeypatch.setattr(WordLanguage, "fingerprint", "another-lm")
    result = check(settings=replace(SETTINGS, sample=0))
    assert {mismatch.field for mismatch in result.mismatches} == {"provenance_language_model"}
    assert len(result.mismatches) == result.made


def test_files_that_cannot_be_checked_are_named(batch, tmp_path):
    _, work = batch
    with pytest.raises(ConfigError, match=r"verify=.*none\.jsonl: no such file"):
        verify(tmp_path / "none.jsonl", work, SETTINGS)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="expected at least one text, found none"):
        verify(tmp_path / "empty.jsonl", work, SETTINGS)
    (tmp_path / "other.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match=r"other\.jsonl:1: expected schema_version"):
        verify(tmp_path / "other.jsonl", work, SETTINGS)


@pytest.mark.parametrize("values", [{"tolerance": -0.1, "sample": 1}, {"tolerance": 0.1, "sample": -1}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(ConfigError, match=r"verification: expected tolerance in \[0, 1\)"):
        VerificationSettings(**values)
