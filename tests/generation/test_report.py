from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toy_texts import texts_of
from vos.generation.particles import Cost
from vos.generation.reach import Outcome
from vos.generation.report import generation_report
from vos.mining.candidates import Candidate
from vos.storage.provenance import Provenance
from vos.types import Example


@pytest.fixture
def stored(featurizer, space, density, targets):
    """Two accepted texts for each of the first three targets, with their true numbers."""
    candidates = []
    for i, text in enumerate(texts_of(6, seed=9)):
        batch = featurizer.featurize([text])
        margin = float(batch.logits[0, 1] - batch.logits[0, 0])
        distance = float(space.distances(space.coordinates(batch.features), targets.coordinates)[0, i // 2])
        probability = tuple(torch.softmax(batch.logits[0].double(), -1).tolist())
        mahalanobis = tuple(density.mahalanobis(batch.features)[0].tolist())
        provenance = Provenance("lm" if i % 2 else "prefix_conditioned", (), "p", "m", 0, 1, 1, 0.1)
        candidates.append(
            Candidate(Example(f"a{i}", text), margin, probability, mahalanobis, i // 2, distance, -1.0, provenance)
        )
    return candidates


def outcomes_of(candidates):
    hits = [
        Outcome(t, 0.5 + t, True, tuple(candidates[2 * t : 2 * t + 2]), Cost(100, 10), {"language debris": t})
        for t in range(3)
    ]
    miss = Outcome(3, 1.0, True, (), Cost(200, 20), {"language debris": 4}, nearest_miss=candidates[0])
    return [*hits, miss, Outcome(4, 2.0, False, (), Cost(), {})]


def test_misses_count_as_much_as_hits(stored, targets, space, featurizer):
    report = generation_report(outcomes_of(stored), targets, space, featurizer)
    assert (report["targets"], report["hit"], report["missed"], report["unreachable"]) == (5, 3, 1, 1)
    assert report["accepted"] == report["accepted_distinct"] == 6
    assert report["accepted_by_source"] == {"prefix_conditioned": 3, "lm": 3}
    assert sum(report["accepted_by_side"].values()) == 6
    assert report["lm_tokens"] == 500
    assert report["classifier_texts"] == 50
    assert report["refused"] == {"language debris": 7}
    assert report["accepted_per_1000_tokens"] == pytest.approx(12.0)
    assert report["nearest_miss"] == {
        "z0003": {"reach": 1.0, "distance": stored[0].distance, "margin": stored[0].margin},
        "z0004": {"reach": 2.0, "distance": None, "margin": None},
    }


def test_control_is_measured_against_the_other_targets(stored, targets, space, featurizer):
    report = generation_report(outcomes_of(stored), targets, space, featurizer)
    hits = 0
    for candidate in stored:
        features = featurizer.featurize([candidate.example.text]).features
        distances = space.distances(space.coordinates(features), targets.coordinates)[0, :4].tolist()
        hits += distances.index(min(distances)) == candidate.target
    assert report["own_target_top1"] == pytest.approx(hits / 6)
    assert report["own_target_chance"] == 0.25
    assert report["distance_median"] == pytest.approx(sorted(a.distance for a in stored)[2])
    assert report["nearest_real_distance_median"] == pytest.approx(1.5)
    asked = [float(targets.margins[candidate.target]) for candidate in stored]
    reached = [candidate.margin for candidate in stored]
    assert report["margin_slope"] == pytest.approx(np.polyfit(asked, reached, 1)[0], rel=1e-4)
    assert report["margin_r2"] == pytest.approx(np.corrcoef(asked, reached)[0, 1] ** 2, rel=1e-4)


def test_what_does_not_exist_is_left_out(stored, targets, space, featurizer):
    nothing = generation_report([Outcome(0, 2.0, False, (), Cost(), {})], targets, space, featurizer)
    assert not {"accepted_per_1000_tokens", "own_target_top1", "margin_slope"} & nothing.keys()
    one = generation_report([Outcome(0, 2.0, True, (stored[0],), Cost(5, 5), {})], targets, space, featurizer)
    assert "own_target_top1" in one
    assert "margin_slope" not in one
