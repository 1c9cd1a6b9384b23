from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from tests.generation.stub_server import Stub
from tests.toy_language import WordLanguage
from vos.data import ListPool, TextData
from vos.errors import DataError, ServerError
from vos.generation.counterfactuals import CounterfactualSettings
from vos.generation.drafts import DraftSettings
from vos.generation.generate import make_texts
from vos.generation.server.settings import LanguageModelServer
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential
from vos.outliers import BoundarySampler
from vos.synthesis.job import Progress, SynthesisJob, SynthesisSettings
from vos.synthesis.journal import Journal
from vos.synthesis.made_texts import add_made_texts, identity, load_text_generator, waiting_targets
from vos.synthesis.settings import GenerationSettings
from vos.types import Example


@pytest.fixture
def found(pool, featurizer, density, space, targets):
    search = Search(density, space, targets, Potential(delta=1.5), per_target=4, n_random=2, chunk_size=2048)
    return retrieve(pool, featurizer, search, torch.Generator().manual_seed(0))


@pytest.fixture
def train(text_generator):
    real = text_generator.real
    return [Example(*row) for row in zip(real.ids, real.texts, real.labels.tolist(), strict=True)]


@pytest.fixture
def job(featurizer, density, train):
    settings = SynthesisSettings(potential=Potential(delta=1.5))
    data = TextData(train, [], [], ListPool([]), ("harmless", "harmful"), [], harmful=(1,))
    return SynthesisJob(featurizer, density, BoundarySampler(), data, settings, run_hash="run")


@pytest.fixture
def language_model():
    return WordLanguage()


@pytest.fixture
def generation(language_model, text_generator):
    return GenerationSettings(lambda: language_model, text_generator.settings)


@pytest.fixture
def add(space, targets, found, tmp_path):
    """Make texts; the journal stands in `add.journal`."""

    def call(job, generation):
        waiting = waiting_targets(generation, found.by_target, targets, job.settings.potential)
        pool = found.by_target if generation.pool_first else ((),) * len(targets)
        writer = partial(load_text_generator, job, generation, space)
        return add_made_texts(job, generation, writer, targets, pool, waiting, call.journal)

    call.journal = tmp_path / "made.jsonl"
    return call


@pytest.fixture
def for_all(generation):
    """Settings that make texts for every target."""
    return replace(generation, pool_first=False)


def easy(generation, job):
    """Any text of the pool is near enough."""
    text_generator = generation.text_generator
    stages = replace(text_generator.stages, per_target=1, max_distance=99.0)
    settings = replace(job.settings, potential=Potential(delta=99.0))
    return replace(generation, text_generator=replace(text_generator, stages=stages)), replace(job, settings=settings)


def test_made_texts_stand_instead_of_the_pool_or_before_it(add, job, generation, for_all, space, targets, found):
    whole = make_texts(load_text_generator(job, generation, space), targets)
    alone, report = add(job, for_all)
    assert alone == tuple(outcome.accepted for outcome in whole)
    assert report["waiting"] == report["targets"] == 7
    waiting = waiting_targets(generation, found.by_target, targets, job.settings.potential)
    assert 0 < len(waiting) < 7
    both, report = add(job, generation)
    assert report["targets"] == len(waiting)
    for target in range(7):
        accepted = whole[target].accepted if target in waiting else ()
        assert both[target] == (*accepted, *found.by_target[target])


def test_targets_wait_until_the_pool_has_texts_for_them(generation, targets, found):
    margins = targets.margins.tolist()
    for target in range(7):
        near = [c for c in found.by_target[target] if c.distance <= 0.9 and abs(c.margin - margins[target]) <= 1.5]
        waits = target in waiting_targets(generation, found.by_target, targets, Potential(delta=1.5))
        assert waits == (len(near) < 3)


def test_a_pool_with_texts_for_all_targets_needs_no_language_model(add, generation, job, found):
    def never():
        raise AssertionError("not asked for")

    generation, job = easy(replace(generation, language_model=never), job)
    add.journal.write_text("of other settings")
    assert add(job, generation) == (found.by_target, {"waiting": 0})
    assert not add.journal.exists()


def test_counterfactuals_are_added_even_when_no_target_waits(add, job, generation):
    generation, job = easy(replace(generation, counterfactuals=CounterfactualSettings(texts=12)), job)
    steps = []
    both, report = add(replace(job, progress=Progress(made=lambda *counts: steps.append(counts))), generation)
    sources = [c.provenance.source for row in both for c in row if c.provenance.is_made]
    assert sources == ["counterfactual"] * report["counterfactuals"]["crossed"]
    assert len(sources) >= 3
    assert report["waiting"] == 0
    assert steps == [(done, 12) for done in range(13)]


def test_a_killed_run_goes_on_and_other_settings_start_over(add, job, for_all, caplog):
    first, _ = add(job, for_all)
    content = add.journal.read_bytes()
    lines = content.splitlines(keepends=True)
    add.journal.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # killed while the fourth target was written
    steps = []
    job = replace(job, progress=Progress(made=lambda *counts: steps.append(counts)))
    again, _ = add(job, for_all)
    assert again == first
    assert steps == [(3, 7), (4, 7), (5, 7), (6, 7), (7, 7)]
    assert sorted(add.journal.read_bytes().splitlines()) == sorted(content.splitlines())
    steps.clear()
    with caplog.at_level("INFO"):
        add(replace(job, run_hash="other"), for_all)
    assert steps == [(done, 7) for done in range(8)]
    assert "starting over" in caplog.text


def test_counterfactuals_go_on_where_they_were_killed(add, job, generation, language_model):
    generation = replace(generation, counterfactuals=CounterfactualSettings(texts=6))
    journal = add.journal
    whole = add(job, generation)
    lines = journal.read_bytes().splitlines(keepends=True)
    rows = [number for number, line in enumerate(lines) if b'"row"' in line]
    assert len(rows) == 6
    journal.write_bytes(b"".join(lines[: rows[2]]) + lines[rows[2]][:9])
    kept = Journal(journal, json.loads(lines[0])["identity"]).read()
    assert len(kept.counterfactuals) == 2
    assert add(job, generation) == whole
    assert journal.read_bytes().splitlines(keepends=True) == lines
    prompts = len(language_model.prompts)
    assert add(job, generation) == whole
    assert len(language_model.prompts) == prompts  # nothing was written again


def test_the_identity_covers_what_decides_the_texts(text_generator, targets):
    everything = frozenset(range(7))
    settings, space = replace(text_generator.settings, max_start=2.0), text_generator.space
    ids = {
        identity(text_generator, targets, everything, "run"),
        identity(text_generator, targets, everything, "other"),
        identity(text_generator, targets, frozenset({1}), "run"),
        identity(replace(text_generator, seed=8), targets, everything, "run"),
        identity(replace(text_generator, potential=Potential()), targets, everything, "run"),
        identity(replace(text_generator, settings=settings), targets, everything, "run"),
        identity(text_generator, replace(targets, features=targets.features + 1), everything, "run"),
        identity(text_generator, targets, everything, "run", CounterfactualSettings(texts=3)),
        identity(text_generator, replace(targets, coordinates=targets.coordinates + 1), everything, "run"),
        identity(replace(text_generator, space=replace(space, unit=2 * space.unit)), targets, everything, "run"),
        identity(
            replace(text_generator, space=replace(space, projection=-space.projection)), targets, everything, "run"
        ),
    }
    assert len(ids) == 11
    assert identity(text_generator, targets, everything, "run") in ids


def test_a_strange_journal_is_named_with_its_line(add, job, for_all):
    add(job, for_all)
    lines = add.journal.read_bytes().splitlines(keepends=True)
    add.journal.write_bytes(lines[0] + b'{"target": 1}\n')
    with pytest.raises(DataError, match=r"made\.jsonl:2: expected a line of a generation journal"):
        Journal(add.journal, "x").read()


def test_texts_are_made_with_the_training_texts_of_the_job(job, generation, space, train):
    built = load_text_generator(job, generation, space)
    assert built.real.ids == tuple(example.id for example in train)
    assert built.settings == generation.text_generator
    assert built.seed != load_text_generator(replace(job, seed=1), generation, space).seed
    one_class = replace(job.data, train=[replace(example, label=0) for example in train])
    with pytest.raises(DataError, match="at least two classes"):
        load_text_generator(replace(job, data=one_class), generation, space)


def test_a_server_that_fails_leaves_what_is_finished_and_is_paid_once(add, job, generation, tmp_path):
    settings = generation.text_generator
    stages = replace(settings.stages, pilot=2, rounds=1, mcmc_chains=0, smc=False, per_target=9)
    settings = replace(settings, stages=stages, drafts=DraftSettings(beginnings=2, copies=2, levels=1, kept=2))
    with Stub(write=lambda body, seed: " " + " ".join(f"w{(seed + i * i) % 40}" for i in range(1, 7)) + ".") as stub:
        server = LanguageModelServer(stub.url, stub.model, retries=0, api="completions", cache=tmp_path / "cache")
        served = GenerationSettings(server, settings, pool_first=False)
        stub.troubles = [None] * 14 + [400] * 99  # after the probe, a prompt and some drafts
        with pytest.raises(ServerError, match="status 400"):
            add(job, served)
        kept, asked = add.journal.read_bytes(), len(stub.asked)
        assert len(kept.splitlines()) > 1
        stub.troubles = []
        candidates, report = add(job, served)
        assert add.journal.read_bytes().startswith(kept)
        # What was answered before the failure came from the disk.
        assert report["server"]["cached"] > 0
        assert report["server"]["requests"] == len(stub.asked) - asked - 4  # the probe pays for itself
        fresh = tmp_path / "fresh.jsonl"
        add.journal, before = fresh, len(stub.asked)
        assert add(job, served)[0] == candidates
        assert len(stub.asked) == before + 4


def test_a_flipped_bit_in_a_journal_is_named_with_its_line(add, job, for_all):
    add(job, for_all)
    identity = Journal(add.journal, json.loads(add.journal.read_bytes().splitlines()[0])["identity"])
    whole = add.journal.read_bytes()
    assert identity.read().outcomes
    place = whole.index(b'"reach": ') + len(b'"reach": ') + 3  # a digit of a number: the line is JSON all the same
    add.journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DataError, match=r"made\.jsonl:2: expected a line of a generation journal as it was written"):
        identity.read()
