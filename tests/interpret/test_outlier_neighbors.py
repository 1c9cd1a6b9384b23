"""Nearest texts of virtual outliers by brute force, and the checks of the word lens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from vos.density import ClassConditionalGaussian
from vos.errors import ShapeError
from vos.interpret.outlier_neighbors import WordLens, lens_checks, outlier_neighbors
from vos.interpret.terms import term_matrix
from vos.types import LinearHead

D = 7
WORDS = 30


def world(n=300, n_classes=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % n_classes
    scale = torch.linspace(4, 0.2, D, dtype=torch.float64)
    features = torch.randn(n, D, generator=draw, dtype=torch.float64) * scale + labels[:, None]
    density = ClassConditionalGaussian(n_classes, D, "empirical").fit(features, labels)
    head = LinearHead(torch.randn(n_classes, D, generator=draw), torch.zeros(n_classes))
    outliers = 3 * torch.randn(9, D, generator=draw, dtype=torch.float64) * scale
    return features.numpy(), density, head, outliers.numpy()


def brute_force(outliers, features, density, head, r):
    """Whitened leading directions at right angles to the normals, then every distance."""
    weight = head.weight.double().numpy()
    normals = np.linalg.qr((weight[1:] - weight[0]).T)[0]
    free = np.eye(D) - normals @ normals.T
    values, vectors = np.linalg.eigh(free @ density.within_class_covariance().numpy() @ free)
    order = np.argsort(-values)[:r]
    white = vectors[:, order] / np.sqrt(values[order])
    apart = [[np.sqrt(np.mean(((o - f) @ white) ** 2)) for f in features] for o in outliers]
    tenth = [sorted(np.sqrt(np.mean(((f - g) @ white) ** 2)) for g in features)[10] for f in features]
    return np.array(apart), sorted(tenth)[(len(tenth) - 1) // 2]


@pytest.mark.parametrize(("n_classes", "r"), [(2, 4), (2, 6), (3, 5)])
def test_neighbours_are_those_of_brute_force(n_classes, r):
    features, density, head, outliers = world(120, n_classes)
    found = outlier_neighbors(outliers, features, density, head, (1,), n_directions=r)
    apart, tenth = brute_force(outliers, features, density, head, r)
    np.testing.assert_array_equal(found.rows, np.argsort(apart, axis=1)[:, :5])
    np.testing.assert_allclose(found.distances, np.sort(apart, axis=1)[:, :5], rtol=1e-7)
    assert found.tenth == pytest.approx(tenth, rel=1e-7)


def test_a_real_text_is_nearest_to_itself_and_few_directions_are_enough():
    features, density, head, _ = world()
    found = outlier_neighbors(features[:20], features, density, head, (1,))
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(20))
    np.testing.assert_allclose(found.distances[:, 0], 0, atol=1e-5)


def test_moving_an_outlier_along_the_margin_changes_no_neighbour():
    features, density, head, outliers = world()
    normal = (head.weight[1] - head.weight[0]).double().numpy()
    here = outlier_neighbors(outliers, features, density, head, (1,))
    there = outlier_neighbors(outliers + 5 * normal, features, density, head, (1,))
    np.testing.assert_array_equal(here.rows, there.rows)


def test_few_texts_and_no_outliers_are_no_trouble():
    features, density, head, outliers = world()
    none = outlier_neighbors(outliers[:0], features, density, head, (1,))
    assert none.rows.shape == (0, 5)
    three = outlier_neighbors(outliers, features[:3], density, head, (1,))
    assert three.rows.shape == (9, 3)
    one = outlier_neighbors(outliers, features[:1], density, head, (1,))
    assert one.rows.tolist() == [[0]] * 9
    assert one.tenth is None
    assert outlier_neighbors(outliers, features[:0], density, head).rows.shape == (9, 0)
    with pytest.raises(ShapeError, match=r"outliers \(m, d\)"):
        outlier_neighbors(outliers[:, 1:], features, density, head)


def worded(n=600, seed=0):
    """Features whose coordinates say which of the words a text holds; the last coordinate is the same in all."""
    draw = np.random.default_rng(seed)
    holds = draw.random((n, WORDS)) < 0.2
    features = np.column_stack([holds * 2.0, np.ones(n)])
    features[:, :WORDS] += 0.05 * draw.standard_normal((n, WORDS))
    return features, [" ".join(f"word{j:02d}" for j in range(WORDS) if row[j]) + " all" for row in holds], holds


def test_the_lens_is_a_ridge_regression():
    features, texts, _ = worded()
    lens = WordLens.fit(features, texts, alpha=50.0, most=0.2)
    z = (features - features.mean(0)) / np.where(features.std(0) > 1e-9, features.std(0), 1.0)
    assert len(lens.words) >= 5
    assert all(10 <= sum(word in text.split() for text in texts) <= 0.2 * len(texts) for word in lens.words)
    presence = np.array([[word in text.split() for word in lens.words] for text in texts], dtype=float)
    expected = Ridge(alpha=50.0).fit(z, presence).predict(z)
    np.testing.assert_allclose(lens.presence(features), expected, atol=1e-8)


def test_the_lens_reads_the_words_of_real_texts_and_passes_there():
    features, texts, holds = worded()
    points, rest = features[:40], features[40:]
    lens = WordLens.fit(rest, texts[40:], alpha=1.0, most=0.5)
    for i, words in enumerate(lens.top_words(points)):
        held = [f"word{j:02d}" for j in range(WORDS) if holds[i, j]]
        assert set(words[: len(held)]) <= set(held)
    matrix = term_matrix(texts[40:], 1, 1)
    apart = np.linalg.norm(points[:, None] - rest[None], axis=2)
    neighbours = np.argsort(apart, axis=1)[:, :5]
    checks = lens_checks(lens, points, neighbours, matrix, at_least=1.2)
    assert checks.ratio > 1.2
    np.testing.assert_array_equal(checks.shown, checks.largest <= 1.0)
    assert not lens_checks(lens, points, neighbours, matrix, at_least=1.1 * checks.ratio).shown.any()


def test_a_coordinate_that_no_text_differs_in_says_nothing_at_a_point_that_does():
    features, texts, _ = worded()
    features[:, -1] += 1e-9 * np.random.default_rng(3).standard_normal(len(features))
    lens = WordLens.fit(features, texts, alpha=1.0, most=0.5)
    moved = features[:5].copy()
    moved[:, -1] += 1.0
    np.testing.assert_array_equal(lens.presence(moved), lens.presence(features[:5]))


def test_a_far_point_is_plain_extrapolation_and_hidden():
    features, texts, _ = worded()
    lens = WordLens.fit(features, texts, alpha=1.0, most=0.5)
    far = features[:5] + 20.0 * np.eye(WORDS + 1)[0]
    neighbours = np.arange(25).reshape(5, 5)
    checks = lens_checks(lens, far, neighbours, term_matrix(texts, 1, 1))
    assert (checks.largest > 1.0).all()
    assert not checks.shown.any()


def test_the_shares_of_the_check_are_counted_word_by_word():
    features, texts, _ = worded()
    lens = WordLens.fit(features, texts, most=0.5)
    draw = np.random.default_rng(1)
    neighbours = draw.integers(600, size=(6, 5))
    checks = lens_checks(lens, features[:6], neighbours, term_matrix(texts, 1, 1))
    words = lens.top_words(features[:6])
    own, other = [], []
    for i in range(6):
        for j in range(6):
            near = {word for row in neighbours[j] for word in texts[row].split()}
            (own if i == j else other).append(np.mean([word in near for word in words[i]]))
    assert checks.own == pytest.approx(np.mean(own))
    assert checks.other == pytest.approx(np.mean(other))
    assert checks.ratio == pytest.approx(np.mean(own) / np.mean(other))


def test_one_point_no_point_and_no_words_are_never_shown():
    features, texts, _ = worded()
    matrix = term_matrix(texts, 1, 1)
    lens = WordLens.fit(features, texts, most=0.5)
    one = lens_checks(lens, features[:1], np.array([[0, 1, 2, 3, 4]]), matrix)
    assert (one.other, one.ratio, one.shown.tolist()) == (None, None, [False])
    assert lens_checks(lens, features[:0], np.zeros((0, 5), dtype=np.int64), matrix).shown.shape == (0,)
    wordless = WordLens.fit(features, [""] * 600)
    assert not lens_checks(wordless, features[:2], np.zeros((2, 5), dtype=np.int64), matrix).shown.any()
