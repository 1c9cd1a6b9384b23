"""Directions: planted ones are recovered, and the margin is split exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.errors import ConfigError, ShapeError
from vos.interpret.dictionaries import principal_components, random_directions, random_texts, single_units
from vos.interpret.directions import (
    ComponentSettings,
    LinearCode,
    Stretch,
    deciding_share,
    decompose,
    independent_components,
    margin_shares,
)
from vos.interpret.linear_margin import LinearMargin
from vos.metrics.margins import margin
from vos.types import LinearHead

D = 12


def head_of(n_classes, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return LinearHead(torch.randn(n_classes, D, generator=draw), torch.randn(n_classes, generator=draw))


def planted(n=2000, k=4, seed=0, noise=0.01):
    """Heavy-tailed sources, the directions they are mixed by, and the mixed features."""
    draw = np.random.default_rng(seed)
    sources = draw.laplace(size=(n, k))
    atoms = draw.standard_normal((k, D))
    return sources, atoms, sources @ atoms + noise * draw.standard_normal((n, D)) + 3.0


def cosines(a, b):
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    return np.abs(a @ b.T)


@pytest.mark.parametrize("stretch", [1.0, 2.0, 4.0])
def test_planted_directions_are_recovered(stretch):
    sources, atoms, features = planted()
    normals = LinearMargin.of(features, head_of(2), (1,)).normals
    code = independent_components(features, normals, 0, ComponentSettings(4, stretch))
    found = cosines(code.atoms, atoms)
    assert sorted(found.argmax(1)) == [0, 1, 2, 3]
    assert found.max(1).min() > 0.99
    agreement = np.abs(np.corrcoef(code.encode(features).T, sources.T)[:4, 4:])
    assert agreement.max(1).min() > 0.98


def test_components_are_white_and_push_towards_harm():
    _, _, features = planted()
    normals = LinearMargin.of(features, head_of(2), (1,)).normals
    code = independent_components(features, normals, 0, ComponentSettings(4))
    codes = code.encode(features)
    np.testing.assert_allclose(codes.T @ codes / len(codes), np.eye(4), atol=1e-6)
    assert (code.atoms @ normals[0] >= 0).all()


def codes_of(features, margins):
    draw = np.random.default_rng(5)
    return {
        "independent": independent_components(features, margins.normals, 1),
        "principal": principal_components(features, 5),
        "units": single_units(features, margins.normals[0], 3),
        "random": random_directions(features, 4, draw),
        "texts": random_texts(features, margins.normals, 20, draw, 4),
        "none": LinearCode(features.mean(0), np.zeros((0, D)), np.zeros((0, D))),
    }


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (1,)), (2, (0,)), (2, ()), (4, (1, 2)), (4, (3,)), (5, ())])
def test_parts_residual_and_constant_are_the_margin_exactly(n_classes, harmful):
    _, _, features = planted(200)
    head = head_of(n_classes)
    margins = LinearMargin.of(features, head, harmful)
    # By hand: the logits of every text, the largest harmful less the largest other.
    logits = features @ head.weight.double().numpy().T + head.bias.double().numpy()
    expected = np.array([by_hand(row, harmful) for row in logits])
    for name, code in codes_of(features, margins).items():
        split = decompose(margins, code)
        total = split.parts.sum(1) + split.residual + split.constant
        np.testing.assert_allclose(total, expected, rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(margins.margins, expected, rtol=0, atol=1e-9)


def by_hand(logits, harmful):
    if not harmful:
        if len(logits) == 2:
            return logits[1] - logits[0]
        return np.sort(logits)[-1] - np.sort(logits)[-2]
    mask = np.isin(np.arange(len(logits)), harmful)
    return logits[mask].max() - logits[~mask].max()


def test_the_margin_is_that_of_the_metrics():
    _, _, features = planted(100)
    head = head_of(3)
    double = LinearHead(head.weight.double(), head.bias.double())
    expected = margin(double.logits(torch.from_numpy(features)), (0, 2)).numpy()
    np.testing.assert_allclose(LinearMargin.of(features, head, (0, 2)).margins, expected, atol=1e-10)


def test_two_classes_have_one_constant_and_more_have_one_a_pair():
    _, _, features = planted(300)
    for n_classes, pairs in ((2, 1), (4, 3)):
        margins = LinearMargin.of(features, head_of(n_classes), (1,))
        constants = decompose(margins, principal_components(features, 3)).constant
        assert len(np.unique(constants.round(9))) == len(margins.pairs) <= pairs
    assert (np.diff(np.bincount(margins.pair)) <= 0).all()


def test_stretching_is_undone_and_lengthens_only_what_lies_along_the_normal():
    draw = np.random.default_rng(0)
    rows, normal = draw.standard_normal((5, D)), draw.standard_normal((1, D))
    stretch = Stretch.along(np.concatenate([normal, 2 * normal]), 3.0)
    assert stretch.basis.shape == (D, 1)
    np.testing.assert_allclose(stretch.undo(stretch.apply(rows)), rows, atol=1e-12)
    np.testing.assert_allclose(stretch.apply(normal), 3 * normal, atol=1e-12)
    across = rows - np.outer(rows @ normal[0], normal[0]) / (normal[0] @ normal[0])
    np.testing.assert_allclose(stretch.apply(across), across, atol=1e-12)
    with pytest.raises(ConfigError, match="at least 1"):
        Stretch.along(normal, 0.5)


def test_a_stretch_keeps_more_of_the_margin_where_the_boundary_is_a_small_direction():
    draw = np.random.default_rng(0)
    features = draw.laplace(size=(800, D)) * np.linspace(3, 0.7, D)
    head = LinearHead(torch.stack([torch.zeros(D), torch.eye(D)[-1]]), torch.zeros(2))
    margins = LinearMargin.of(features, head, (1,))
    left = [
        np.square(decompose(margins, independent_components(features, margins.normals, 0, s)).residual).mean()
        for s in (ComponentSettings(6, 1.0), ComponentSettings(6, 4.0))
    ]
    assert left[1] < 0.1 * left[0]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_texts_have_few_directions(rows):
    _, _, features = planted(rows)
    margins = LinearMargin.of(features, head_of(2), (1,))
    code = independent_components(features, margins.normals, 0)
    assert code.atoms.shape == (rows - 1, D)
    split = decompose(margins, code)
    np.testing.assert_allclose(split.parts.sum(1) + split.residual + split.constant, margins.margins, atol=1e-9)


def test_texts_that_are_all_the_same_have_none():
    margins = LinearMargin.of(np.full((50, D), 2.0), head_of(2), (1,))
    code = independent_components(margins.features, margins.normals, 0)
    assert len(code.atoms) == 0
    split = decompose(margins, code)
    assert margin_shares(split).tolist() == deciding_share(split, np.ones(50, dtype=bool)).tolist() == []


def test_a_boundary_that_is_no_direction_stretches_nothing():
    _, _, features = planted(100)
    head = LinearHead(torch.ones(2, D), torch.tensor([0.0, 1.0]))
    margins = LinearMargin.of(features, head, (1,))
    code = independent_components(features, margins.normals, 0)
    np.testing.assert_allclose(decompose(margins, code).parts, 0.0, atol=1e-9)


def test_no_texts_and_features_of_another_width_are_refused():
    for features in (np.zeros((0, D)), np.zeros((4, D + 1)), np.zeros(D)):
        with pytest.raises(ShapeError, match=rf"\(n, {D}\)"):
            LinearMargin.of(features, head_of(2), (1,))


def test_what_decides_is_counted_by_taking_it_away():
    _, _, features = planted(300)
    margins = LinearMargin.of(features, head_of(2), (1,))
    split = decompose(margins, independent_components(features, margins.normals, 0))
    near = np.abs(split.margins) < 1.0
    for j, share in enumerate(deciding_share(split, near)):
        flips = [(m > 0) != (m - part > 0) for m, part in zip(split.margins[near], split.parts[near, j], strict=True)]
        assert share == pytest.approx(np.mean(flips))
    shares = margin_shares(split)
    sizes = [np.mean(np.abs(split.parts[:, j])) for j in range(split.parts.shape[1])]
    np.testing.assert_allclose(shares, sizes / (np.sum(sizes) + np.mean(np.abs(split.residual))))


def test_the_same_seed_gives_the_same_components_and_no_global_state_is_touched():
    _, _, features = planted(200)
    normals = LinearMargin.of(features, head_of(2), (1,)).normals
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    once, again = (independent_components(features, normals, 3).atoms for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("wrong", [{"n": 0}, {"stretch": 0.5}, {"max_iterations": 0}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match="directions"):
        ComponentSettings(**wrong)
