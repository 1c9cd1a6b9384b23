"""Quality measures of directions, against naive versions and planted structure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from vos.interpret.dictionaries import principal_components, random_directions
from vos.interpret.direction_quality import (
    NAMED,
    best_coherence,
    coherence,
    direction_ends,
    fidelity,
    matched_share,
    stability,
    variance_along,
)
from vos.interpret.directions import ComponentSettings, LinearCode, decompose, independent_components
from vos.interpret.linear_margin import LinearMargin
from vos.types import LinearHead

D = 10


def margins_of(features):
    weight = torch.zeros(2, D)
    weight[1, :3] = torch.tensor([2.0, -1.0, 0.5])
    return LinearMargin.of(features, LinearHead(weight, torch.tensor([0.0, 0.3])), (1,))


def features_of(n=600, seed=0):
    return np.random.default_rng(seed).laplace(size=(n, D)) * np.linspace(3, 0.3, D)


def test_fidelity_is_counted_text_by_text():
    margins = margins_of(features_of())
    code = principal_components(margins.features, 2)
    split = decompose(margins, code)
    near = np.abs(split.margins) < 2.0
    found = fidelity(split, margins, code, near)
    kept = [(split.margins[i] - split.residual[i], split.margins[i]) for i in np.flatnonzero(near)]
    assert found.same_decision == pytest.approx(np.mean([(a >= 0) == (b >= 0) for a, b in kept]))
    mean = np.mean([b for _, b in kept])
    errors, spread = sum((a - b) ** 2 for a, b in kept), sum((b - mean) ** 2 for _, b in kept)
    assert found.r_squared == pytest.approx(1 - errors / spread)
    variances = np.sort(np.linalg.eigvalsh(np.cov(margins.features.T)))[::-1]
    assert found.unexplained == pytest.approx(variances[2:].sum() / variances.sum())


def test_all_directions_keep_everything_and_none_keep_nothing():
    margins = margins_of(features_of())
    near = np.ones(600, dtype=bool)
    whole = principal_components(margins.features, D)
    found = fidelity(decompose(margins, whole), margins, whole, near)
    assert found.same_decision == 1.0
    assert found.r_squared == pytest.approx(1.0)
    assert found.unexplained == pytest.approx(0.0, abs=1e-12)
    none = LinearCode(margins.features.mean(0), np.zeros((0, D)), np.zeros((0, D)))
    found = fidelity(decompose(margins, none), margins, none, near)
    assert found.r_squared == pytest.approx(0.0, abs=1e-9)
    assert found.unexplained == pytest.approx(1.0)


def test_without_texts_nothing_is_said():
    margins = margins_of(np.ones((3, D)))
    code = principal_components(margins.features, 2)
    split = decompose(margins, code)
    none = fidelity(split, margins, code, np.zeros(3, dtype=bool))
    assert (none.same_decision, none.r_squared, none.unexplained) == (None, None, None)
    assert variance_along(margins.features, margins.normals[0]) is None
    assert variance_along(features_of(), np.zeros(D)) is None


def test_the_variance_along_a_normal_is_its_share():
    features = features_of(4000)
    normal = np.eye(D)[0] * 7
    expected = features[:, 0].var() / features.var(0).sum()
    assert variance_along(features, normal) == pytest.approx(expected)


def test_matching_is_the_best_of_all_pairings():
    draw = np.random.default_rng(0)
    for _ in range(10):
        a, b = draw.standard_normal((4, 3)), draw.standard_normal((4, 3))
        unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b)]
        cosines = np.abs(unit[0] @ unit[1].T)
        best = max(itertools.permutations(range(4)), key=lambda p: sum(cosines[i, j] for i, j in enumerate(p)))
        expected = np.mean([cosines[i, j] > 0.8 for i, j in enumerate(best)])
        assert matched_share(a, b) == pytest.approx(expected)
    assert matched_share(a, -a[::-1]) == 1.0
    assert matched_share(a, a[:0]) == matched_share(a[:0], a) == 0.0


def test_one_direction_answers_for_one_only():
    assert matched_share(np.ones((3, 4)), np.ones((1, 4))) == pytest.approx(1 / 3)


def test_planted_components_come_back_and_random_ones_do_not():
    draw = np.random.default_rng(0)
    features = draw.laplace(size=(800, 4)) ** 3 @ draw.standard_normal((4, D)) + 0.01 * draw.standard_normal((800, D))
    normals = margins_of(features).normals

    def components(rows, seed):
        return independent_components(rows, normals, seed, ComponentSettings(4))

    def random(rows, seed):
        return random_directions(rows, 4, np.random.default_rng(seed))

    stable = stability(components, features, draw, 2)
    assert min(stable.values()) >= 0.85
    assert set(stable) == {"bootstrap", "halves", "seeds"}
    assert max(stability(random, features, draw, 2).values()) <= 0.25


def test_coherence_is_the_mean_of_all_pairs():
    rows = np.random.default_rng(0).standard_normal((7, 5))
    pairs = itertools.combinations(rows, 2)
    expected = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
    assert coherence(rows) == pytest.approx(expected)
    assert coherence(rows[:1]) is None
    assert coherence(np.ones((4, 2))) == pytest.approx(1.0)


def test_an_end_is_named_where_its_texts_hang_together():
    draw = np.random.default_rng(0)
    codes = draw.standard_normal((400, 2))
    untuned = draw.standard_normal((400, 30))
    untuned[codes[:, 0] > np.sort(codes[:, 0])[-16]] += 3.0
    ends = direction_ends(codes, untuned)
    (plus, minus), (other, _) = ends
    assert list(plus.rows) == sorted(range(400), key=lambda i: -codes[i, 0])[:15]
    assert list(minus.rows) == sorted(range(400), key=lambda i: codes[i, 0])[:15]
    assert plus.named
    assert plus.coherence > 0.5
    assert not minus.named
    assert not other.named
    assert max(minus.coherence, other.coherence) < NAMED
    mean, share = best_coherence(ends)
    assert share == 0.5
    assert mean == pytest.approx(np.mean([plus.coherence, max(e.coherence for e in ends[1])]))


def test_an_end_with_few_texts_has_no_name():
    codes = np.array([[1.0], [2.0], [-1.0], [0.0]])
    ((plus, minus),) = direction_ends(codes, np.array([[1.0, 0.0], [1.0, 0.1], [-2.0, 0.0], [0.0, 0.0]]))
    assert (plus.rows, minus.rows) == ((1, 0), (2,))
    assert plus.coherence > 0.9
    assert not plus.named
    assert minus.coherence is None
    assert direction_ends(np.zeros((0, 1)), np.zeros((0, 3)))[0][0].rows == ()
    assert best_coherence([]) == (None, 0.0)
