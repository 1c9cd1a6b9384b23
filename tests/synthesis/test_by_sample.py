"""acquisition=coverage, margin and random on small jobs: the selected texts, the report, and the generation targets."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import generation_job, job
from vos.data import ListPool
from vos.errors import ConfigError, DataError, RunError
from vos.generation.counterfactuals import CounterfactualSettings
from vos.labeling import read_jsonl
from vos.mining.acquisition import MarginAcquisition, RandomAcquisition
from vos.mining.candidates import Facts
from vos.mining.coverage import CoverageSettings
from vos.synthesis.journal import read_journal
from vos.synthesis.synthesize import synthesize
from vos.synthesis.verify import VerificationSettings, verify
from vos.synthesis.writing_targets import (
    FILE,
    WritingTargets,
    load_writing_targets,
    move_to_margin,
    note_shortfall,
    save_writing_targets,
)
from vos.types import Example, VirtualOutliers

POOL = toy_examples(40, "p", 100)


def with_acquisition(work, acquisition):
    return replace(work, settings=replace(work.settings, acquisition=acquisition))


def covering(tiny_encoder, pool=None, coverage=None, **options):
    work = job(tiny_encoder, POOL if pool is None else pool, **options)
    return with_acquisition(work, coverage or CoverageSettings(n_directions=4))


def writing(tiny_encoder, pool=None, *, pool_first=True, **options):
    work = generation_job(tiny_encoder, POOL if pool is None else pool, pool_first, **options)
    return with_acquisition(work, CoverageSettings(n_directions=4))


def test_a_batch_covers_the_boundary_and_has_its_random_share(tiny_encoder, tmp_path):
    work = covering(tiny_encoder, n=12)
    result = synthesize(work, tmp_path)
    assert result.report["chosen"] == {"coverage": 9, "random": 3}
    shares = []
    for record in read_jsonl(tmp_path / "near_boundary.jsonl"):
        assert 0 < record.expected_error < 1
        assert record.target is None
        assert (record.coverage is None) == (record.chosen == "random")
        if record.coverage is not None:
            shares.append(record.coverage.share)
            assert set(record.coverage.neighbours) <= {example.id for example in POOL} - {record.id}
    report = result.report
    assert report["covered_before"] + sum(shares) == pytest.approx(report["covered_after"])
    assert report["demand"] == report["supply"] == 40
    assert report["gaps"] == {"outliers": 12, "without_text": report["gaps"]["without_text"], "distance": 1e9}
    assert report["expected_error"]["n"] == 0  # eight validation texts are too few
    assert (tmp_path / "near_boundary.csv").read_text("utf-8").splitlines()[0].count("coverage_share") == 1


def test_the_order_of_the_pool_changes_nothing_at_all(tiny_encoder, tmp_path):
    ways = [
        synthesize(covering(tiny_encoder, order, n=12), tmp_path / str(i)).records
        for i, order in enumerate((POOL, POOL[::-1]))
    ]
    assert {(r.id, r.chosen) for r in ways[0]} == {(r.id, r.chosen) for r in ways[1]}


def test_another_seed_draws_another_random_share(tiny_encoder, tmp_path):
    def drawn(seed):
        records = synthesize(replace(covering(tiny_encoder, n=16), seed=seed), tmp_path / str(seed)).records
        return {record.id for record in records if record.chosen == "random"}

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_texts_that_were_asked_cover_and_are_not_asked_again(tiny_encoder, tmp_path):
    first = synthesize(covering(tiny_encoder, n=12), tmp_path / "first")
    asked = [Example(f"asked:{record.uid}", record.text) for record in first.records]
    second = synthesize(replace(covering(tiny_encoder, n=12), asked=asked), tmp_path / "second")
    assert not {record.text for record in second.records} & {example.text for example in asked}
    assert second.report["covered_before"] > first.report["covered_before"]


def test_the_smallest_margins_come_first_when_asked_for(tiny_encoder, tmp_path):
    margins = {
        r.id: r.margin for r in synthesize(covering(tiny_encoder, n=40, random_share=0.0), tmp_path / "all").records
    }
    nearest = sorted(margins, key=lambda name: (abs(margins[name]), name))
    found = synthesize(
        with_acquisition(job(tiny_encoder, POOL, n=6, random_share=0.0), MarginAcquisition()), tmp_path / "m"
    )
    assert {record.id for record in found.records} == set(nearest[:6])
    assert found.report["chosen"] == {"margin": 6}
    some = CoverageSettings(n_directions=4, nearest=0.5)
    found = synthesize(covering(tiny_encoder, coverage=some, n=8, random_share=0.0), tmp_path / "half")
    assert {record.id for record in found.records if record.chosen == "nearest"} == set(nearest[:4])
    assert found.report["chosen"] == {"coverage": 4, "nearest": 4}


def test_where_harm_is_rare_a_quarter_goes_to_the_smallest_margins(tiny_encoder, tmp_path):
    work = covering(tiny_encoder, n=8, random_share=0.0)
    rare = [replace(example, label=int(i == 0)) for i, example in enumerate(work.data.train)]
    work = replace(work, data=replace(work.data, train=rare))
    assert synthesize(work, tmp_path).report["chosen"] == {"coverage": 6, "nearest": 2}


def test_a_random_batch_is_random_alone(tiny_encoder, tmp_path):
    found = synthesize(with_acquisition(job(tiny_encoder, POOL, n=10), RandomAcquisition()), tmp_path)
    assert found.report["chosen"] == {"random": 10}
    with pytest.raises(RunError, match="the pool is empty"):
        synthesize(with_acquisition(job(tiny_encoder, []), RandomAcquisition()), tmp_path / "empty")


def test_quotas_of_sides_and_margins_hold(tiny_encoder, tmp_path):
    work = covering(tiny_encoder, n=12, random_share=0.0, max_side_share=0.5)
    sides = [record.margin >= 0 for record in synthesize(work, tmp_path / "sides").records]
    assert max(sum(sides), len(sides) - sum(sides)) <= 6
    with pytest.raises(RunError, match=r"no text passed the selection.*max_margin"):
        synthesize(covering(tiny_encoder, n=12, random_share=0.0, max_margin=0.0), tmp_path / "none")


def test_texts_are_written_for_places_that_a_real_text_is_near(tiny_encoder, tmp_path):
    result = synthesize(writing(tiny_encoder, n=16), tmp_path)
    made = result.report["made"]
    assert made["unreachable"] == 0
    assert made["places"] + made["outliers"] == made["targets"] == round(0.25 * 12)
    sources = result.report["near_boundary_by_source"]
    assert sources["pool"] == 9
    assert sum(sources.values()) == 12
    for record in result.records:
        if record.provenance.is_made:
            assert record.chosen == "coverage"
            assert record.target.distance <= record.target.max_distance
            assert record.coverage is not None
    assert len(read_journal(tmp_path / "made.jsonl").outcomes) == made["targets"]


def test_a_language_model_alone_leaves_the_pool_its_random_share(tiny_encoder, tmp_path):
    result = synthesize(writing(tiny_encoder, pool_first=False, n=12), tmp_path)
    assert {record.provenance.source for record in result.records if record.chosen == "random"} == {"pool"}
    assert all(record.provenance.is_made for record in result.records if record.chosen != "random")


def test_counterfactuals_start_from_labelled_texts_alone(tiny_encoder, tmp_path):
    work = writing(tiny_encoder, n=16)
    generation = replace(work.settings.generation, counterfactuals=CounterfactualSettings(texts=6, max_margin=99.0))
    synthesize(replace(work, settings=replace(work.settings, generation=generation)), tmp_path)
    rows = read_journal(tmp_path / "made.jsonl").counterfactuals
    assert len(rows) == 6
    assert max(rows) < len(work.data.train)


def test_a_written_batch_is_verified_from_its_texts_and_its_targets(tiny_encoder, tmp_path):
    work = writing(tiny_encoder, n=16)
    synthesize(work, tmp_path)
    result = verify(tmp_path / "near_boundary.jsonl", work, VerificationSettings(sample=3))
    assert result.mismatches == []
    assert result.made > 0
    assert result.reproduced > 0
    lines = (tmp_path / "near_boundary.jsonl").read_text("utf-8").splitlines()
    changed = json.loads(lines[0]) | {"expected_error": 0.123}
    (tmp_path / "near_boundary.jsonl").write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n", "utf-8")
    again = verify(tmp_path / "near_boundary.jsonl", work, VerificationSettings(sample=0))
    assert any("expected_error" in str(mismatch) for mismatch in again.mismatches)


def test_targets_that_cannot_be_read_are_an_error(tiny_encoder, tmp_path):
    work = writing(tiny_encoder, n=16)
    synthesize(work, tmp_path)
    begun = load_writing_targets(tmp_path, work).beginnings
    assert begun
    fewer = replace(work, data=replace(work.data, pool=ListPool([e for e in POOL if e.id != begun[0].id])))
    with pytest.raises(DataError, match=f"1 of {len(begun)} texts that were begun are not in the pool"):
        load_writing_targets(tmp_path, fewer)
    (tmp_path / FILE).write_bytes(b"torn")
    with pytest.raises(DataError, match="expected targets that a synthesis wrote"):
        load_writing_targets(tmp_path, work)
    assert load_writing_targets(tmp_path / "elsewhere", work) is None


def test_a_beginning_is_found_by_its_text_where_files_of_a_pool_share_ids(tmp_path):
    pool = [Example("1", "of file one"), Example("2", "of file one too"), Example("1", "of file two")]
    points = VirtualOutliers(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), torch.ones(1))
    save_writing_targets(WritingTargets(points, (pool[0], pool[2]), {}), tmp_path)
    work = SimpleNamespace(data=SimpleNamespace(pool=ListPool(pool)))
    assert load_writing_targets(tmp_path, work).beginnings == (pool[0], pool[2])
    # A text that has become another is missing, though its id is there.
    work.data.pool = ListPool([replace(pool[0], text="of nobody"), *pool[1:]])
    with pytest.raises(DataError, match="1 of 2 texts that were begun are not in the pool"):
        load_writing_targets(tmp_path, work)


def test_targets_of_before_are_read_by_id(tmp_path):
    pool, begun = [Example("1", "one"), Example("2", "two")], json.dumps(["2"])
    content = {"features": torch.zeros(1, 2), "labels": torch.zeros(1), "mahalanobis": torch.ones(1)}
    save_file(content, tmp_path / FILE, metadata={"beginnings": begun})
    work = SimpleNamespace(data=SimpleNamespace(pool=ListPool(pool)))
    assert load_writing_targets(tmp_path, work).beginnings == (pool[1],)


def test_a_request_that_cannot_be_met_is_told_before_the_work(caplog):
    note_shortfall(targets=3, per_target=5, wanted=40, pool=2)
    assert "at most 17 can be found" in caplog.text
    caplog.clear()
    note_shortfall(targets=3, per_target=5, wanted=17, pool=2)
    assert caplog.text == ""


def test_margins_and_random_choices_write_nothing(tiny_encoder):
    work = generation_job(tiny_encoder, POOL)
    for acquisition in (MarginAcquisition(), RandomAcquisition()):
        with pytest.raises(ConfigError, match="acquisition=coverage"):
            with_acquisition(work, acquisition)


def test_a_place_is_moved_onto_the_margin_by_the_least_mahalanobis_step(tiny_encoder):

    work = covering(tiny_encoder)
    batch = work.featurizer.featurize([example.text for example in POOL[:6]])
    facts = Facts.of(POOL[:6], batch, work.density, (1,))
    moved = move_to_margin(facts, work, margin=0.25)
    logits = work.featurizer.head.logits(moved.features.float())
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], torch.full((6,), 0.25), atol=1e-4, rtol=0)
    # Any other step to the same margin is longer in the metric of the covariance.
    covariance = work.density.within_class_covariance().double().numpy()
    normal = (work.featurizer.head.weight[1] - work.featurizer.head.weight[0]).double().numpy()
    draw = np.random.default_rng(0)
    for row in range(6):
        step = (moved.features[row] - batch.features[row].double()).numpy()
        aside = draw.normal(size=len(step))
        aside -= normal * (aside @ normal) / (normal @ normal)
        length = step @ np.linalg.solve(covariance, step)
        other = (step + 1e-2 * aside) @ np.linalg.solve(covariance, step + 1e-2 * aside)
        assert other > length


def test_a_text_that_is_dropped_more_than_once_is_counted_once(tiny_encoder, tmp_path):
    """It may be of the random share, of the smallest margins, and of the supply for coverage."""
    margins = sorted(abs(r.margin) for r in synthesize(covering(tiny_encoder, n=40), tmp_path / "all").records)
    some = CoverageSettings(n_directions=4, nearest=0.5)
    options = {"n": 40, "random_share": 0.1, "near_duplicate": 0.5, "max_margin": margins[20]}
    report = synthesize(covering(tiny_encoder, coverage=some, **options), tmp_path / "some").report
    assert report["dropped"]["|margin| above max_margin"] > 0
    assert sum(report["dropped"].values()) + report["written"] == 40


def test_what_an_interrupted_synthesis_left_is_no_part_of_another_batch(tiny_encoder, tmp_path):
    for name in (FILE, "made.jsonl"):
        (tmp_path / name).write_text("left")
    work = covering(tiny_encoder, n=8)
    synthesize(work, tmp_path)
    names = {"near_boundary.jsonl", "near_boundary.csv"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"synthesis.json"}
    assert json.loads((tmp_path / "synthesis.json").read_text())["files"].keys() == names


def test_texts_of_several_files_with_the_same_ids_are_told_apart(tiny_encoder, tmp_path):
    """As beginnings of written texts, and among the known texts that are not asked for again."""
    pool = [replace(example, id=str(i % 5)) for i, example in enumerate(POOL)]
    work = writing(tiny_encoder, pool, n=16)
    train = [replace(example, id=str(i)) for i, example in enumerate(work.data.train)]
    val = [replace(example, id=str(i), label=1) for i, example in enumerate(pool[:6])]
    work = replace(work, data=replace(work.data, train=train, val=val), ids_repeat=True)
    result = synthesize(work, tmp_path)
    assert not {record.text for record in result.records} & {example.text for example in val}
    begun = load_writing_targets(tmp_path, work).beginnings
    assert len({example.text for example in begun}) == len(begun) > 5
    checked = verify(tmp_path / "near_boundary.jsonl", work, VerificationSettings(sample=3))
    assert (checked.mismatches, checked.reproduced > 0) == ([], True)
