from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from vos.errors import DataError
from vos.generation.counterfactuals import EditSettings
from vos.generation.generate import make_texts
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential
from vos.synthesis.journal import Journal
from vos.synthesis.making import Making, add_made_texts, identity, kit_for, waiting_targets


@pytest.fixture
def found(pool, featurizer, density, space, targets):
    search = Search(density, space, targets, Potential(delta=1.5), per_target=4, n_random=2, chunk_size=2048)
    return retrieve(pool, featurizer, search, torch.Generator().manual_seed(0))


@pytest.fixture
def add(kit, targets, found, tmp_path):
    def call(pool_first=False, run_hash="run", **options):
        making = Making(lambda: kit.language_model, kit.settings, pool_first)
        journal = tmp_path / "made.jsonl"
        return add_made_texts(making, lambda: kit, targets, found, kit.potential, journal, run_hash, **options)

    call.journal = tmp_path / "made.jsonl"
    return call


def test_made_texts_stand_instead_of_the_pool_or_before_it(add, kit, targets, found):
    whole = make_texts(kit, targets)
    alone, report = add()
    assert alone.by_target == tuple(outcome.answers for outcome in whole)
    assert alone.random == found.random
    assert report["waiting"] == report["targets"] == 7
    making = Making(lambda: kit.language_model, kit.settings)
    waiting = waiting_targets(making, found, targets, kit.potential)
    assert 0 < len(waiting) < 7
    both, report = add(pool_first=True)
    assert report["targets"] == len(waiting)
    for target in range(7):
        answers = whole[target].answers if target in waiting else ()
        assert both.by_target[target] == (*answers, *found.by_target[target])


def test_targets_wait_until_the_pool_answers_them(kit, targets, found):
    making = Making(lambda: kit.language_model, kit.settings)
    margins = targets.margins.tolist()
    for target in range(7):
        answers = [c for c in found.by_target[target] if c.distance <= 0.9 and abs(c.margin - margins[target]) <= 1.5]
        waits = target in waiting_targets(making, found, targets, kit.potential)
        assert waits == (len(answers) < 3)


def test_a_pool_that_answers_everything_needs_no_language_model(kit, targets, found, tmp_path):
    easy = replace(kit.settings, stages=replace(kit.settings.stages, per_target=1, max_distance=99.0))
    making = Making(lambda: 1 / 0, easy)
    wide = Potential(delta=99.0)
    same, report = add_made_texts(making, lambda: 1 / 0, targets, found, wide, tmp_path / "j", "run")
    assert (same, report) == (found, {"waiting": 0})


def test_edits_join_the_answers_even_when_no_target_waits(kit, targets, found, tmp_path):
    easy = replace(kit.settings, stages=replace(kit.settings.stages, per_target=1, max_distance=99.0))
    making = Making(lambda: kit.language_model, easy, edits=EditSettings(texts=12))
    wide = Potential(delta=99.0)
    both, report = add_made_texts(making, lambda: kit, targets, found, wide, tmp_path / "j", "run")
    edited = [c for row in both.by_target for c in row if c.provenance.source == "edited"]
    assert len(edited) == report["edits"]["crossed"] >= 3
    assert report["waiting"] == 0


def test_a_killed_run_goes_on_and_other_settings_start_over(add, kit, caplog):
    first, _ = add()
    content = add.journal.read_bytes()
    lines = content.splitlines(keepends=True)
    add.journal.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # killed while the fourth target was written
    steps = []
    again, _ = add(progress=lambda *counts: steps.append(counts))
    assert again == first
    assert steps == [(3, 7), (4, 7), (5, 7), (6, 7), (7, 7)]
    assert sorted(add.journal.read_bytes().splitlines()) == sorted(content.splitlines())
    steps.clear()
    with caplog.at_level("INFO"):
        add(run_hash="other", progress=lambda *counts: steps.append(counts))
    assert steps == [(done, 7) for done in range(8)]
    assert "starting over" in caplog.text


def test_edits_go_on_where_they_were_killed(kit, targets, found, tmp_path):
    making, journal = Making(lambda: kit.language_model, kit.settings, edits=EditSettings(texts=6)), tmp_path / "j"

    def call():
        return add_made_texts(making, lambda: kit, targets, found, kit.potential, journal, "run")

    whole = call()
    lines = journal.read_bytes().splitlines(keepends=True)
    edits = [number for number, line in enumerate(lines) if b'"twin"' in line]
    assert len(edits) == 6
    journal.write_bytes(b"".join(lines[: edits[2]]) + lines[edits[2]][:9])
    kept = Journal(journal, json.loads(lines[0])["identity"]).read()
    assert len(kept.edits) == 2
    assert call() == whole
    assert journal.read_bytes().splitlines(keepends=True) == lines
    prompts = len(kit.language_model.prompts)
    assert call() == whole
    assert len(kit.language_model.prompts) == prompts  # nothing was written again


def test_the_identity_covers_what_decides_the_texts(kit, targets):
    everything = frozenset(range(7))
    ids = {
        identity(kit, targets, everything, "run"),
        identity(kit, targets, everything, "other"),
        identity(kit, targets, frozenset({1}), "run"),
        identity(replace(kit, seed=8), targets, everything, "run"),
        identity(replace(kit, potential=Potential()), targets, everything, "run"),
        identity(replace(kit, settings=replace(kit.settings, max_start=2.0)), targets, everything, "run"),
        identity(kit, replace(targets, features=targets.features + 1), everything, "run"),
        identity(kit, targets, everything, "run", EditSettings(texts=3)),
    }
    assert len(ids) == 8
    assert identity(kit, targets, everything, "run") in ids


def test_a_strange_journal_is_named_with_its_line(add):
    add()
    lines = add.journal.read_bytes().splitlines(keepends=True)
    add.journal.write_bytes(lines[0] + b'{"target": 1}\n')
    with pytest.raises(DataError, match=r"made\.jsonl:2: expected a line of a generation journal"):
        Journal(add.journal, "x").read()


def test_a_kit_is_built_from_the_training_texts(kit, pool, featurizer, density, space):
    making = Making(lambda: kit.language_model, kit.settings)
    train = [replace(example, label=i % 2) for i, example in enumerate(pool)]
    built = kit_for(making, featurizer, density, space, train, kit.potential, 3)
    assert (len(built.real.ids), built.seed, built.settings) == (150, 3, kit.settings)
    with pytest.raises(DataError, match="at least two classes"):
        kit_for(making, featurizer, density, space, [replace(e, label=0) for e in pool], kit.potential, 3)
