"""Boundary coverage on synthetic pools: literal oracles, order, sides, classes, known texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vos.errors import ConfigError
from vos.metrics.margins import margin
from vos.mining.candidates import Facts
from vos.mining.coverage import BoundaryCoverage, CoverageSettings, CoverageSpace, KnownTexts, normals
from vos.mining.pool_sample import PoolSample
from vos.types import Example, FeatureBatch, LinearHead

D = 6
HEAD = LinearHead(torch.stack([-torch.eye(D)[0], torch.eye(D)[0]]), torch.zeros(2))


def features_of(n, seed=0, d=D):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def facts_of(features, head=HEAD, harmful=(1,), ids=None):
    logits = head.logits(features)
    margins = margin(logits, harmful)
    examples = [Example(ids[i] if ids else f"i{i:04d}", "") for i in range(len(features))]
    errors = torch.sigmoid(-margins.abs().double())
    return Facts(examples, FeatureBatch(features, logits), margins, torch.zeros_like(logits).double(), errors)


def cover(facts, known=None, settings=None, head=HEAD, harmful=(1,), order=None, n=10):
    settings = settings or CoverageSettings(n_directions=3)
    sample = PoolSample(settings.sizes(n), 0, facts.batch.features.shape[1], len(head.weight))
    sample.offer(facts if order is None else facts.at(order))
    if known is None:
        known = KnownTexts(torch.empty(0, facts.batch.features.shape[1]), torch.empty(0))
    return BoundaryCoverage.of(sample, known, head, harmful, settings)


def picks(covered, n):
    chosen = []
    while len(chosen) < n and (best := covered.location.best()) is not None:
        covers = covered.take(best[0])
        chosen.append((covered.supply.examples[best[0]].id, covers))
    return chosen


def literal(features, known, n, r=3, width=0.5, power=4.0):
    """The whole recipe once more in numpy, for a pool that is kept whole; ids of the chosen texts."""
    x = features.double().numpy()
    w = (HEAD.weight[1] - HEAD.weight[0]).double().numpy()
    m = x @ w
    e = 1 / (1 + np.exp(np.abs(m)))
    unit = w / np.linalg.norm(w)
    centred = x - x.mean(0)
    free = centred - np.outer(centred @ unit, unit)
    values, vectors = np.linalg.eigh(np.cov(free.T))
    leading = vectors[:, ::-1][:, :r] / np.sqrt(values[::-1][:r])
    z = centred @ leading
    distances = np.linalg.norm(z[:, None] - z[None], axis=2)
    pairs = np.sort(distances[np.triu_indices(len(z), 1)])
    h = width * pairs[(len(pairs) - 1) // 2]  # the lower median, as torch has it
    similarity = np.exp(-(distances**2) / (2 * h**2))
    weights = e**power / (e**power).sum()
    covered = np.zeros(len(z))
    if known is not None:
        zk = (known.double().numpy() - x.mean(0)) @ leading
        near = np.exp(
            -0.5
            * ((known.double().numpy() @ w) / (max(m.std(ddof=1), 2 * np.sort(np.abs(m))[(len(m) - 1) // 2]) / 2)) ** 2
        )
        gap = np.linalg.norm(zk[:, None] - z[None], axis=2)
        covered = (np.exp(-(gap**2) / (2 * h**2)) * near[:, None]).max(0)
    chosen = []
    for _ in range(n):
        gains = (weights * np.maximum(similarity - covered, 0)).sum(1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[chosen[-1]])
    return [f"i{i:04d}" for i in chosen], covered @ weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_known", [False, True])
def test_the_choice_is_that_of_the_recipe_written_out(seed, with_known):
    features = features_of(60, seed)
    known = features_of(15, seed + 100) if with_known else None
    texts = None if known is None else KnownTexts(known, margin(HEAD.logits(known), (1,)))
    covered = cover(facts_of(features), texts)
    ids, value = literal(features, known, 12)
    assert [name for name, _ in picks(covered, 12)] == ids
    assert covered.location.value == pytest.approx(value, rel=1e-4)


def test_the_order_of_the_pool_changes_nothing():
    facts = facts_of(features_of(200))
    order = np.random.default_rng(3).permutation(200).tolist()
    settings = CoverageSettings(n_directions=3, supply=40, demand=20)
    assert picks(cover(facts, settings=settings), 20) == picks(cover(facts, settings=settings, order=order), 20)


def test_what_a_text_covers_is_told_and_adds_up():
    covered = cover(facts_of(features_of(50)))
    before = covered.location.value
    chosen = picks(covered, 50)
    assert before + sum(covers.share for _, covers in chosen) == pytest.approx(covered.location.value)
    assert covered.location.value == pytest.approx(1.0)  # every text of the demand covers itself
    assert [covers.share for _, covers in chosen] == sorted((covers.share for _, covers in chosen), reverse=True)
    name, covers = chosen[0]
    assert 0 < len(covers.neighbours) <= 5
    assert name not in covers.neighbours


def test_known_texts_near_the_boundary_cover_and_far_ones_do_not():
    features = features_of(80)
    near, far = features[:20].clone(), features[:20].clone()
    near[:, 0], far[:, 0] = 0.0, 50.0
    values = [
        cover(facts_of(features), KnownTexts(some, margin(HEAD.logits(some), (1,)))).location.value
        for some in (near, far)
    ]
    assert values[0] > 0.2
    assert values[1] < 1e-6


def test_texts_of_both_sides_are_chosen_and_one_side_alone_is_no_fault():
    features = features_of(300)
    sides = {float(features[int(name[1:]), 0].sign()) for name, _ in picks(cover(facts_of(features)), 20)}
    assert sides == {-1.0, 1.0}
    features[:, 0] = features[:, 0].abs() + 0.1
    assert len(picks(cover(facts_of(features)), 20)) == 20


def test_ties_go_the_same_way_whatever_the_order():
    features = features_of(5).repeat(8, 1)  # eight copies of each text
    facts = facts_of(features)
    first = picks(cover(facts), 40)
    assert picks(cover(facts, order=list(range(39, -1, -1))), 40) == first
    assert {int(name[1:]) % 5 for name, _ in first[:5]} == set(range(5))  # each text once before any of them again


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_pool_of_very_few_texts_is_chosen_whole(n):
    assert len(picks(cover(facts_of(features_of(n))), 10)) == n


def test_texts_that_are_all_the_same_have_no_directions():
    facts = facts_of(torch.ones(12, D))
    covered = cover(facts)
    assert covered.space.projection.shape == (D, 0)
    chosen = picks(covered, 3)
    assert chosen[0][1].share == pytest.approx(1.0)
    assert chosen[1][1].share == 0.0


def test_directions_leave_the_margin_alone_and_have_variance_one():
    features = features_of(500) @ torch.diag(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0, 0.5]))
    space = CoverageSpace.fit(features, features, HEAD, (1,), CoverageSettings(n_directions=4))
    normal = normals(HEAD, (1,))[:, 0]
    torch.testing.assert_close(normal @ space.projection, torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(space.coordinates(features).std(0), torch.ones(4), rtol=1e-3, atol=0)


def test_what_a_margin_is_about():
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    head = LinearHead(weight, torch.zeros(3))
    assert normals(head, (1, 2))[:, 0].tolist() == [-1.0, 2.0]
    assert normals(head, ()).shape == (2, 0)


def test_more_classes_and_none_that_is_harmful():
    head = LinearHead(features_of(4, 9, D), torch.zeros(4))
    for harmful in ((2, 3), ()):
        facts = facts_of(features_of(100), head, harmful)
        assert len(picks(cover(facts, head=head, harmful=harmful), 15)) == 15


def test_a_sample_of_a_large_pool_means_the_same_objective():
    """Coverage of the whole pool by batches chosen from samples: within 5 % of that chosen from all of it."""
    features = features_of(4000)
    whole = cover(facts_of(features), settings=CoverageSettings(n_directions=3, demand=4000))
    found = {}
    for name, settings in {
        "all": CoverageSettings(n_directions=3),
        "part": CoverageSettings(3.999, 3, 0.5, 600, 300),
    }.items():
        chosen = {id_ for id_, _ in picks(cover(facts_of(features), settings=settings), 60)}
        rows = [i for i, example in enumerate(whole.supply.examples) if example.id in chosen]
        fresh = cover(facts_of(features), settings=CoverageSettings(n_directions=3, demand=4000))
        for row in rows:
            fresh.location.take(row)
        found[name] = fresh.location.value
    assert found["part"] > 0.95 * found["all"]


def test_texts_may_be_chosen_beside_the_pool():
    covered = cover(facts_of(features_of(40)))
    beside = covered.beside(facts_of(features_of(5, 7), ids=[f"made{i}" for i in range(5)]))
    row, gain = beside.location.best()
    covers = beside.take(row)
    assert covers.share == pytest.approx(gain)
    assert covered.location.value == pytest.approx(covers.share)  # both share what is covered


@pytest.mark.parametrize(
    ("labels", "harmful", "expected"),
    [
        ([1] * 9 + [0] * 91, (1,), 0.25),
        ([1] * 10 + [0] * 90, (1,), 0.0),
        ([2, *[0] * 19], (1, 2), 0.25),
        ([1, None, None, 0], (1,), 0.0),
        ([0, 1, 2], (), 0.0),
    ],
)
def test_rare_harm_gets_a_share_for_the_smallest_margins(labels, harmful, expected):
    assert CoverageSettings().nearest_share(labels, harmful) == expected
    assert CoverageSettings(nearest=0.1).nearest_share(labels, harmful) == 0.1


@pytest.mark.parametrize(
    "options",
    [{"power": -1}, {"n_directions": 0}, {"width": 0}, {"supply": 0}, {"demand": 0}, {"nearest": 1.1}],
)
def test_settings_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError, match="acquisition"):
        CoverageSettings(**options)


def test_a_power_of_zero_weighs_all_texts_equally():
    covered = cover(facts_of(features_of(30)), settings=CoverageSettings(power=0.0, n_directions=3))
    torch.testing.assert_close(covered.weights, torch.full((30,), 1 / 30, dtype=torch.float64))
    assert math.isclose(float(covered.weights.sum()), 1.0)
