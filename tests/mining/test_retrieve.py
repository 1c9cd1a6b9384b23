from __future__ import annotations

import random

import pytest
import torch

from vos.mining.retrieve import Reservoir, Search, retrieve
from vos.mining.targets import Potential


def run(pool, featurizer, density, space, targets, progress=lambda _: None, **options):
    limits = {"per_target": 4, "n_random": 9, "chunk_size": 2048} | options
    search = Search(density, space, targets, Potential(), **limits)
    return retrieve(pool, featurizer, search, torch.Generator().manual_seed(0), progress)


def brute_force(pool, featurizer, space, targets, k):
    batch = featurizer.featurize([example.text for example in pool])
    margins = batch.logits[:, 1] - batch.logits[:, 0]
    values, _ = space.log_potential(batch.features, margins, targets, Potential())
    ranked = [sorted(range(len(pool)), key=lambda i: (-float(values[i, t]), pool[i].id)) for t in range(len(targets))]
    return [[pool[i].id for i in rows[:k]] for rows in ranked], margins


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_each_target_gets_its_best_texts(pool, featurizer, density, space, targets, chunk_size):
    found = run(pool, featurizer, density, space, targets, chunk_size=chunk_size)
    expected, margins = brute_force(pool, featurizer, space, targets, 4)
    assert [[c.example.id for c in kept] for kept in found.by_target] == expected
    assert found.n_scored == 150
    assert found.margin_counts == (int((margins < 0).sum()), int((margins >= 0).sum()))


def test_the_order_of_the_pool_does_not_matter(pool, featurizer, density, space, targets):
    shuffled = list(pool)
    random.Random(1).shuffle(shuffled)  # noqa: S311 - no secret
    first, second = (run(p, featurizer, density, space, targets, chunk_size=16) for p in (pool, shuffled))
    assert [[c.example.id for c in kept] for kept in first.by_target] == [
        [c.example.id for c in kept] for kept in second.by_target
    ]


def test_a_candidate_carries_its_own_numbers(pool, featurizer, density, space, targets):
    kept = run(pool, featurizer, density, space, targets).by_target[3][0]
    batch = featurizer.featurize([kept.example.text])
    margin = float(batch.logits[0, 1] - batch.logits[0, 0])
    values, distances = space.log_potential(batch.features, torch.tensor([margin]), targets, Potential())
    assert kept.target == 3
    assert kept.margin == pytest.approx(margin, abs=1e-5)
    assert kept.distance == pytest.approx(float(distances[0, 3]), rel=1e-6)
    assert kept.log_potential == pytest.approx(float(values[0, 3]), rel=1e-6)
    assert kept.probability[1] == pytest.approx(1 / (1 + torch.tensor(-margin).exp().item()), rel=1e-5)
    assert kept.mahalanobis == pytest.approx(density.mahalanobis(batch.features)[0].tolist(), rel=1e-9)


def test_the_random_share_answers_no_target(pool, featurizer, density, space, targets):
    found = run(pool, featurizer, density, space, targets, chunk_size=10)
    assert len({c.example.id for c in found.random}) == 9
    assert all(c.target is None and c.distance is None and c.log_potential is None for c in found.random)


def test_a_small_or_empty_pool_gives_what_it_has(pool, featurizer, density, space, targets):
    steps = []
    small = run(pool[:3], featurizer, density, space, targets, chunk_size=2, progress=steps.append)
    assert [len(kept) for kept in small.by_target] == [3] * 7
    assert len(small.random) == 3
    assert steps == [2, 1]
    empty = run([], featurizer, density, space, targets)
    assert empty.n_scored == 0
    assert empty.by_target == ((),) * 7
    assert run(pool, featurizer, density, space, targets, n_random=0).random == ()


def test_the_reservoir_is_uniform():
    counts = torch.zeros(12)
    for seed in range(3000):
        reservoir = Reservoir(3, torch.Generator().manual_seed(seed))
        for i in range(12):
            reservoir.offer(lambda i=i: i)
        for i in reservoir.shuffled():
            counts[i] += 1
    # Each of 12 items is kept with probability 1/4: 750 of n = 3,000, standard deviation 23.7; 4.5 sigma for twelve
    # items is one false alarm in 10^4 choices of seeds.
    assert float((counts - 750).abs().max()) < 107
