from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
import torch

from vos.errors import ConfigError
from vos.generation.drafts import DraftSettings
from vos.generation.generate import make_texts
from vos.generation.reach import Outcome, reachability
from vos.generation.rules import Novelty, TextRules
from vos.generation.settings import Stages, TextGeneratorSettings
from vos.mining.targets import Potential


def with_stages(text_generator, **options):
    return replace(
        text_generator,
        settings=replace(text_generator.settings, stages=replace(text_generator.settings.stages, **options)),
    )


def nearest_in_band(text_generator, targets, space, delta):
    """For each target D to the nearest real text whose margin is within delta of its own, one pair at a time."""
    distances = space.distances(text_generator.real.coordinates, targets.coordinates)
    result = []
    for target in range(len(targets)):
        goal = float(targets.margins[target])
        rows = [
            row
            for row in range(len(text_generator.real.ids))
            if abs(float(text_generator.real.margins[row]) - goal) <= delta
        ]
        result.append(min((float(distances[row, target]) for row in rows), default=math.inf))
    return result


def test_every_accepted_text_is_what_it_claims(text_generator, targets, featurizer, space, density):
    text_generator = with_stages(text_generator, pilot=60)  # so many that some plain samples are near enough
    outcomes = make_texts(text_generator, targets)
    assert [outcome.target for outcome in outcomes] == list(range(7))
    accepted = [candidate for outcome in outcomes for candidate in outcome.accepted]
    assert len(accepted) >= 6
    for outcome in outcomes:
        assert outcome.status == ("hit" if outcome.accepted else "missed")
        assert [a.distance for a in outcome.accepted] == sorted(a.distance for a in outcome.accepted)
    for candidate in accepted:
        text, target = candidate.example.text, candidate.target
        batch = featurizer.featurize([text])
        margin = float(batch.logits[0, 1] - batch.logits[0, 0])
        distance = float(space.distances(space.coordinates(batch.features), targets.coordinates)[0, target])
        assert candidate.margin == pytest.approx(margin, abs=1e-5)
        assert candidate.distance == pytest.approx(distance, rel=1e-5)
        assert distance <= 0.9
        assert abs(margin - float(targets.margins[target])) <= 1.5 + 1e-5
        assert candidate.mahalanobis == pytest.approx(density.mahalanobis(batch.features)[0].tolist(), rel=1e-5)
        assert sum(candidate.probability) == pytest.approx(1.0)
        assert text_generator.settings.rules.broken(text) is None
        assert candidate.provenance.similarity < 0.9
        assert candidate.provenance.language_model == "words-lm"
        assert set(candidate.provenance.parents) <= set(text_generator.real.ids)
    assert {candidate.provenance.source for candidate in accepted} == {"lm", "prefix_conditioned", "smc"}


def test_a_prefix_conditioned_text_names_its_start_after_the_examples(text_generator, targets):
    for outcome in make_texts(with_stages(text_generator, smc=False), targets):
        for candidate in outcome.accepted:
            shots = 6
            assert len(candidate.provenance.parents) == shots + (candidate.provenance.source == "prefix_conditioned")


def test_drafts_begin_like_real_texts_that_are_no_examples_of_their_prompt(text_generator, targets):
    drafts = DraftSettings(beginnings=4, copies=3, levels=1, tokens=2, kept=5, finishes=2)
    settings = replace(text_generator.settings, drafts=drafts)
    drafted = with_stages(
        replace(text_generator, settings=settings), rounds=3, mcmc_chains=0, smc=False, per_target=10**6, tokens=10**6
    )
    outcomes = make_texts(drafted, targets)
    begun = [a for outcome in outcomes for a in outcome.accepted if a.provenance.source == "prefix_conditioned"]
    assert len(begun) >= 7
    for candidate in begun:
        *shots, start = candidate.provenance.parents
        assert len(shots) == 6
        assert start not in shots
        real = (
            text_generator.real.texts[text_generator.real.ids.index(start)].replace("w0 ", "w1 ").split()
        )  # w0 is no word of this model
        assert candidate.example.text.split()[:2] == real[:2]
    # 12 drafts are read once, each of the 5 kept ones gives 2 texts; drafts that ended by themselves are read as texts.
    for outcome in outcomes:
        pilot = outcome.cost.classifier_texts - 3 * (12 + 10)
        assert 12 / 7 <= pilot <= 12
    assert make_texts(drafted, targets) == outcomes


def test_everything_that_is_judged_can_be_watched(text_generator, targets):
    watched = []
    plain = with_stages(text_generator, mcmc_chains=0, smc=False, per_target=10**6)
    outcomes = make_texts(plain, targets, seen=lambda target, reading: watched.append((target, reading.texts)))
    assert sorted(target for target, _ in watched) == [outcome.target for outcome in outcomes]
    assert all(len(texts) == 12 for _, texts in watched)


def test_real_texts_with_debris_are_neither_shown_nor_started_from(text_generator, targets, space):
    marked = replace(
        text_generator.real, texts=tuple(f"**{t}" if i % 3 == 0 else t for i, t in enumerate(text_generator.real.texts))
    )
    assert marked.clean == {row for row in range(60) if row % 3}
    for reach in reachability(space, targets, marked, text_generator.potential, max_start=None, n_starts=9):
        assert set(reach.starts) <= marked.clean
    outcomes = make_texts(with_stages(replace(text_generator, real=marked), rounds=1), targets)
    parents = {parent for o in outcomes for candidate in o.accepted for parent in candidate.provenance.parents}
    assert {int(parent[1:]) % 3 for parent in parents} == {1, 2}


def test_same_seed_same_texts_and_each_target_can_be_made_alone(text_generator, targets):
    first, again = make_texts(text_generator, targets), make_texts(text_generator, targets)
    assert first == again
    for target in (0, 4):
        (alone,) = make_texts(text_generator, targets, only=frozenset({target}))
        assert alone == first[target]
    other = make_texts(replace(text_generator, seed=8), targets)
    assert [o.accepted for o in other] != [o.accepted for o in first]


def test_an_interrupted_run_goes_on_where_it_stood(text_generator, targets):
    whole = make_texts(text_generator, targets)
    kept = {}

    class Stop(Exception):
        pass

    def keep(outcome):
        kept[outcome.target] = Outcome.from_dict(json.loads(json.dumps(asdict(outcome))))
        if len(kept) == 3:
            raise Stop

    with pytest.raises(Stop):
        make_texts(text_generator, targets, finished=keep)
    made = []
    assert make_texts(text_generator, targets, known=kept, finished=made.append) == whole
    assert len(made) == 4
    before = len(text_generator.language_model.prompts)
    assert make_texts(text_generator, targets, known={o.target: o for o in whole}) == whole
    assert len(text_generator.language_model.prompts) == before  # nothing was computed


def test_unreachable_targets_cost_nothing_and_are_told_apart(text_generator, targets, space):
    distances = nearest_in_band(text_generator, targets, space, 1.5)
    limit = sorted(distances)[3]
    outcomes = make_texts(replace(text_generator, settings=replace(text_generator.settings, max_start=limit)), targets)
    for outcome, distance in zip(outcomes, distances, strict=True):
        assert outcome.reach == pytest.approx(distance)
        assert outcome.reachable == (distance <= limit)
        if not outcome.reachable:
            assert outcome.status == "unreachable"
            assert (outcome.cost.lm_tokens, outcome.cost.classifier_texts, outcome.accepted) == (0, 0, ())


def test_no_target_in_reach_needs_no_language_model(text_generator, targets):
    outcomes = make_texts(replace(text_generator, settings=replace(text_generator.settings, max_start=0.0)), targets)
    assert {outcome.status for outcome in outcomes} == {"unreachable"}
    assert text_generator.language_model.prompts == []


def test_nothing_is_dropped_without_a_reason(text_generator, targets):
    plain = with_stages(text_generator, mcmc_chains=0, smc=False, per_target=10**6)
    for outcome in make_texts(plain, targets):
        assert len(outcome.accepted) + sum(outcome.refused.values()) == 12
        assert outcome.log_z is None
    strict = with_stages(text_generator, max_distance=1e-6)
    for outcome in make_texts(strict, targets):
        assert outcome.status == "missed"
        assert outcome.refused["farther than max_distance from its target"] > 0
        assert outcome.nearest_miss is not None
        assert outcome.nearest_miss.distance > 1e-6
        assert outcome.log_z is not None


def test_the_budget_stops_a_target(text_generator, targets):
    tight = with_stages(text_generator, tokens=60, per_target=10**6, mcmc_moves=1000)
    # A stage that has begun ends: at most one move of six chains, or one run of eight particles.
    for outcome in make_texts(tight, targets):
        assert outcome.cost.lm_tokens <= 60 + 8 * 12
    rich = with_stages(text_generator, tokens=400, per_target=10**6, mcmc_moves=1000)
    for outcome in make_texts(rich, targets):
        assert 400 <= outcome.cost.lm_tokens <= 400 + 8 * 12


def test_near_duplicates_count_once(text_generator, targets):
    outcomes = make_texts(with_stages(text_generator, per_target=10**6, max_distance=5.0), targets)
    refused = {reason for outcome in outcomes for reason in outcome.refused}
    assert {"margin outside the band", "unfinished sentence"} <= refused
    assert max(len(outcome.accepted) for outcome in outcomes) > 3
    for outcome in outcomes:
        texts = [candidate.example.text for candidate in outcome.accepted]
        assert len(set(texts)) == len(texts)
        for i, text in enumerate(texts[1:], 1):
            assert float(Novelty(texts[:i]).similarity([text])[0]) < text_generator.settings.rules.max_similarity


def test_fixed_beta_and_hopeless_smc(text_generator, targets):
    fixed = with_stages(text_generator, pilot=60, pilot_ess=None, mcmc_chains=0, per_target=10**6)
    sources = {each.provenance.source for outcome in make_texts(fixed, targets) for each in outcome.accepted}
    assert sources == {"lm", "smc"}
    hopeless = replace(text_generator, settings=replace(text_generator.settings, rules=TextRules(min_words=50)))
    for outcome in make_texts(hopeless, targets):
        assert outcome.log_z == -torch.inf
        assert outcome.nearest_miss is None
        assert set(outcome.refused) <= {"fewer words than min_words", "the same text again"}


def test_reach_is_the_nearest_real_text_and_starts_have_the_best_potential(text_generator, targets, space):
    potential = Potential(beta=3.0, delta=0.1, tau=0.5)
    found = reachability(space, targets, text_generator.real, potential, max_start=None, n_starts=5)
    distances = space.distances(text_generator.real.coordinates, targets.coordinates)
    for target, reach in enumerate(found):
        near = nearest_in_band(text_generator, targets, space, 0.1)[target]
        assert reach.distance == (None if near == math.inf else pytest.approx(near))
        values = []
        for row in range(60):
            off = max(0.0, abs(float(text_generator.real.margins[row]) - float(targets.margins[target])) - 0.1)
            values.append(-1.5 * float(distances[row, target]) ** 2 - 0.5 * (off / 0.5) ** 2)
        assert list(reach.starts) == sorted(range(60), key=lambda row: -values[row])[:5]


@pytest.mark.parametrize(
    "options",
    [
        {"per_target": 0},
        {"tokens": 0},
        {"pilot": 0},
        {"rounds": -1},
        {"mcmc_chains": -1},
        {"mcmc_moves": -1},
        {"max_distance": 0.0},
        {"pilot_ess": 0.5},
    ],
)
def test_impossible_stages_are_refused(options):
    with pytest.raises(ConfigError, match="stages: expected"):
        Stages(**options)


def test_too_few_texts_for_the_prefix_value_are_refused():
    with pytest.raises(ConfigError, match="prefix_value_texts of at least 30"):
        TextGeneratorSettings(prefix_value_texts=29)
