from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from vos.errors import ConfigError
from vos.generation.drafts import DraftSettings
from vos.generation.generate import make_texts
from vos.generation.reach import Outcome, reachability
from vos.generation.rules import Novelty, TextRules
from vos.generation.settings import GenerationSettings, Stages
from vos.mining.targets import Potential


def with_stages(kit, **options):
    return replace(kit, settings=replace(kit.settings, stages=replace(kit.settings.stages, **options)))


def nearest_in_band(kit, targets, space, delta):
    """For each target D to the nearest real text whose margin is within delta of its own, one pair at a time."""
    distances = space.distances(kit.real.coordinates, targets.coordinates)
    result = []
    for target in range(len(targets)):
        goal = float(targets.margins[target])
        rows = [row for row in range(len(kit.real.ids)) if abs(float(kit.real.margins[row]) - goal) <= delta]
        result.append(min((float(distances[row, target]) for row in rows), default=math.inf))
    return result


def test_every_answer_is_what_it_claims(kit, targets, featurizer, space, density):
    outcomes = make_texts(kit, targets)
    assert [outcome.target for outcome in outcomes] == list(range(7))
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    assert len(answers) >= 6
    for outcome in outcomes:
        assert outcome.status == ("hit" if outcome.answers else "missed")
        assert [a.distance for a in outcome.answers] == sorted(a.distance for a in outcome.answers)
    for answer in answers:
        text, target = answer.example.text, answer.target
        batch = featurizer.featurize([text])
        margin = float(batch.logits[0, 1] - batch.logits[0, 0])
        distance = float(space.distances(space.coordinates(batch.features), targets.coordinates)[0, target])
        assert answer.margin == pytest.approx(margin, abs=1e-5)
        assert answer.distance == pytest.approx(distance, rel=1e-5)
        assert distance <= 0.9
        assert abs(margin - float(targets.margins[target])) <= 1.5 + 1e-5
        assert answer.mahalanobis == pytest.approx(density.mahalanobis(batch.features)[0].tolist(), rel=1e-5)
        assert sum(answer.probability) == pytest.approx(1.0)
        assert kit.settings.rules.broken(text) is None
        assert answer.provenance.similarity < 0.9
        assert answer.provenance.language_model == "words-lm"
        assert set(answer.provenance.parents) <= set(kit.real.ids)
    assert {answer.provenance.source for answer in answers} == {"lm", "seeded", "steered"}


def test_a_seeded_text_names_its_start_after_the_examples(kit, targets):
    for outcome in make_texts(with_stages(kit, steer=False), targets):
        for answer in outcome.answers:
            shots = 6
            assert len(answer.provenance.parents) == shots + (answer.provenance.source == "seeded")


def test_drafts_begin_like_real_texts_that_are_no_examples_of_their_prompt(kit, targets):
    drafts = DraftSettings(beginnings=4, copies=3, levels=1, tokens=2, kept=5, finishes=2)
    settings = replace(kit.settings, drafts=drafts)
    drafted = with_stages(
        replace(kit, settings=settings), rounds=3, chains=0, steer=False, per_target=10**6, tokens=10**6
    )
    outcomes = make_texts(drafted, targets)
    seeded = [a for outcome in outcomes for a in outcome.answers if a.provenance.source == "seeded"]
    assert len(seeded) >= 7
    for answer in seeded:
        *shots, start = answer.provenance.parents
        assert len(shots) == 6
        assert start not in shots
        real = kit.real.texts[kit.real.ids.index(start)].replace("w0 ", "w1 ").split()  # w0 is no word of this model
        assert answer.example.text.split()[:2] == real[:2]
    # 12 drafts are read once, each of the 5 kept ones gives 2 texts; drafts that ended by themselves are read as texts.
    for outcome in outcomes:
        pilot = outcome.cost.classifier_texts - 3 * (12 + 10)
        assert 12 / 7 <= pilot <= 12
    assert make_texts(drafted, targets) == outcomes


def test_everything_that_is_judged_can_be_watched(kit, targets):
    watched = []
    plain = with_stages(kit, chains=0, steer=False, per_target=10**6)
    outcomes = make_texts(plain, targets, seen=lambda target, reading: watched.append((target, reading.texts)))
    assert sorted(target for target, _ in watched) == [outcome.target for outcome in outcomes]
    assert all(len(texts) == 12 for _, texts in watched)


def test_real_texts_with_debris_are_neither_shown_nor_started_from(kit, targets, space):
    marked = replace(kit.real, texts=tuple(f"**{t}" if i % 3 == 0 else t for i, t in enumerate(kit.real.texts)))
    assert marked.clean == {row for row in range(60) if row % 3}
    for reach in reachability(space, targets, marked, kit.potential, max_start=None, n_starts=9):
        assert set(reach.starts) <= marked.clean
    for outcome in make_texts(with_stages(replace(kit, real=marked), rounds=1), targets):
        for answer in outcome.answers:
            assert {int(parent[1:]) % 3 for parent in answer.provenance.parents} <= {1, 2}


def test_same_seed_same_texts_and_each_target_can_be_made_alone(kit, targets):
    first, again = make_texts(kit, targets), make_texts(kit, targets)
    assert first == again
    for target in (0, 4):
        (alone,) = make_texts(kit, targets, only=frozenset({target}))
        assert alone == first[target]
    other = make_texts(replace(kit, seed=8), targets)
    assert [o.answers for o in other] != [o.answers for o in first]


def test_an_interrupted_run_goes_on_where_it_stood(kit, targets):
    whole = make_texts(kit, targets)
    kept = {}

    class Stop(Exception):
        pass

    def keep(outcome):
        kept[outcome.target] = Outcome.from_dict(json.loads(json.dumps(outcome.as_dict())))
        if len(kept) == 3:
            raise Stop

    with pytest.raises(Stop):
        make_texts(kit, targets, finished=keep)
    made = []
    assert make_texts(kit, targets, known=kept, finished=made.append) == whole
    assert len(made) == 4
    before = len(kit.language_model.prompts)
    assert make_texts(kit, targets, known={o.target: o for o in whole}) == whole
    assert len(kit.language_model.prompts) == before  # nothing was computed


def test_unreachable_targets_cost_nothing_and_are_told_apart(kit, targets, space):
    distances = nearest_in_band(kit, targets, space, 1.5)
    limit = sorted(distances)[3]
    outcomes = make_texts(replace(kit, settings=replace(kit.settings, max_start=limit)), targets)
    for outcome, distance in zip(outcomes, distances, strict=True):
        assert outcome.reach == pytest.approx(distance)
        assert outcome.reachable == (distance <= limit)
        if not outcome.reachable:
            assert outcome.status == "unreachable"
            assert (outcome.cost.lm_tokens, outcome.cost.classifier_texts, outcome.answers) == (0, 0, ())


def test_no_target_in_reach_needs_no_language_model(kit, targets):
    outcomes = make_texts(replace(kit, settings=replace(kit.settings, max_start=0.0)), targets)
    assert {outcome.status for outcome in outcomes} == {"unreachable"}
    assert kit.language_model.prompts == []


def test_nothing_is_dropped_without_a_reason(kit, targets):
    plain = with_stages(kit, chains=0, steer=False, per_target=10**6)
    for outcome in make_texts(plain, targets):
        assert len(outcome.answers) + sum(outcome.refused.values()) == 12
        assert outcome.log_z is None
    strict = with_stages(kit, max_distance=1e-6)
    for outcome in make_texts(strict, targets):
        assert outcome.status == "missed"
        assert outcome.refused["farther than max_distance from its target"] > 0
        assert outcome.nearest_miss is not None
        assert outcome.nearest_miss.distance > 1e-6
        assert outcome.log_z is not None


def test_the_budget_stops_a_target(kit, targets):
    tight = with_stages(kit, tokens=60, per_target=10**6, moves=1000)
    # A stage that has begun ends: at most one move of six chains, or one run of eight particles.
    for outcome in make_texts(tight, targets):
        assert outcome.cost.lm_tokens <= 60 + 8 * 12
    rich = with_stages(kit, tokens=400, per_target=10**6, moves=1000)
    for outcome in make_texts(rich, targets):
        assert 400 <= outcome.cost.lm_tokens <= 400 + 8 * 12


def test_near_duplicate_answers_count_once(kit, targets):
    outcomes = make_texts(with_stages(kit, per_target=10**6, max_distance=5.0), targets)
    refused = {reason for outcome in outcomes for reason in outcome.refused}
    assert {"margin outside the band", "unfinished sentence"} <= refused
    for outcome in outcomes:
        texts = [answer.example.text for answer in outcome.answers]
        assert len(set(texts)) == len(texts)
        for i, text in enumerate(texts[1:], 1):
            assert float(Novelty(texts[:i]).similarity([text])[0]) < kit.settings.rules.max_similarity


def test_fixed_beta_and_hopeless_steering(kit, targets):
    fixed = with_stages(kit, pilot_ess=None, chains=0, per_target=10**6)
    assert {answer.provenance.source for o in make_texts(fixed, targets) for answer in o.answers} == {"lm", "steered"}
    hopeless = replace(kit, settings=replace(kit.settings, rules=TextRules(min_words=50)))
    for outcome in make_texts(hopeless, targets):
        assert outcome.log_z == -torch.inf
        assert outcome.nearest_miss is None
        assert set(outcome.refused) <= {"fewer words than min_words", "the same text again"}


def test_reach_is_the_nearest_real_text_and_starts_have_the_best_potential(kit, targets, space):
    potential = Potential(beta=3.0, delta=0.1, tau=0.5)
    found = reachability(space, targets, kit.real, potential, max_start=None, n_starts=5)
    distances = space.distances(kit.real.coordinates, targets.coordinates)
    for target, reach in enumerate(found):
        near = nearest_in_band(kit, targets, space, 0.1)[target]
        assert reach.distance == (None if near == math.inf else pytest.approx(near))
        values = []
        for row in range(60):
            off = max(0.0, abs(float(kit.real.margins[row]) - float(targets.margins[target])) - 0.1)
            values.append(-1.5 * float(distances[row, target]) ** 2 - 0.5 * (off / 0.5) ** 2)
        assert list(reach.starts) == sorted(range(60), key=lambda row: -values[row])[:5]


@pytest.mark.parametrize(
    "options",
    [
        {"per_target": 0},
        {"tokens": 0},
        {"pilot": 0},
        {"rounds": -1},
        {"chains": -1},
        {"moves": -1},
        {"max_distance": 0.0},
        {"pilot_ess": 0.5},
    ],
)
def test_impossible_stages_are_refused(options):
    with pytest.raises(ConfigError, match="stages: expected"):
        Stages(**options)


def test_too_few_texts_for_the_outlook_are_refused():
    with pytest.raises(ConfigError, match="prefix_value_texts of at least 30"):
        GenerationSettings(prefix_value_texts=29)
