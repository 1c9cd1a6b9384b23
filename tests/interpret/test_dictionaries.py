"""Matching pursuit against its literal version and scikit-learn's; dictionaries on planted atoms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import orthogonal_mp

from vos.errors import ConfigError, ShapeError
from vos.interpret.dictionaries import (
    DictionarySettings,
    matching_pursuit,
    principal_components,
    random_directions,
    random_texts,
    single_units,
    sparse_dictionary,
)
from vos.interpret.directions import decompose
from vos.interpret.linear_margin import LinearMargin
from vos.types import LinearHead


def unit_rows(draw, k, d):
    rows = draw.standard_normal((k, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def literal_pursuit(row, atoms, steps):
    """One text at a time: the atom that the residual agrees with most, then least squares on all chosen."""
    chosen, residual = [], row
    for _ in range(steps):
        agreement = np.abs(atoms @ residual)
        agreement[chosen] = -1
        chosen.append(int(agreement.argmax()))
        solved = np.linalg.lstsq(atoms[chosen].T, row, rcond=None)[0]
        residual = row - solved @ atoms[chosen]
    code = np.zeros(len(atoms))
    code[chosen] = solved
    return code


@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_the_pursuit_is_the_literal_one_and_that_of_scikit_learn(steps):
    draw = np.random.default_rng(steps)
    rows, atoms = draw.standard_normal((40, 16)), unit_rows(draw, 30, 16)
    found = matching_pursuit(rows, atoms, steps)
    for row, code in zip(rows, found, strict=True):
        np.testing.assert_allclose(code, literal_pursuit(row, atoms, steps), atol=1e-9)
    np.testing.assert_allclose(found, orthogonal_mp(atoms.T, rows.T, n_nonzero_coefs=steps).T, atol=1e-9)


def test_many_rows_are_coded_as_each_alone(monkeypatch):
    draw = np.random.default_rng(0)
    rows, atoms = draw.standard_normal((25, 8)), unit_rows(draw, 12, 8)
    whole = matching_pursuit(rows, atoms, 3)
    monkeypatch.setattr("vos.interpret.dictionaries.BLOCK", 4)
    np.testing.assert_allclose(matching_pursuit(rows, atoms, 3), whole, atol=1e-12)


def test_a_row_that_is_explained_takes_no_further_atom():
    draw = np.random.default_rng(1)
    atoms = unit_rows(draw, 20, 10)
    rows = np.stack([2.0 * atoms[3], np.zeros(10), atoms[5] - 0.5 * atoms[7], draw.standard_normal(10)])
    found = matching_pursuit(rows, atoms, 6)
    assert (found != 0).sum(1).tolist() == [1, 0, 2, 6]
    np.testing.assert_allclose(found[0, 3], 2.0)
    np.testing.assert_allclose(found[:3] @ atoms, rows[:3], atol=1e-9)


def test_repeated_atoms_and_more_steps_than_atoms_or_features_are_no_trouble():
    draw = np.random.default_rng(2)
    atoms = unit_rows(draw, 3, 5)[[0, 0, 1, 1, 2]]
    rows = draw.standard_normal((6, 5))
    found = matching_pursuit(rows, atoms, 50)
    best = np.linalg.lstsq(atoms.T, rows.T, rcond=None)[0].T @ atoms
    np.testing.assert_allclose(found @ atoms, best, atol=1e-8)
    assert matching_pursuit(rows[:0], atoms, 2).shape == (0, 5)
    assert matching_pursuit(rows, atoms[:0], 2).shape == (6, 0)


def test_what_cannot_be_coded_is_refused():
    with pytest.raises(ShapeError, match=r"rows \(n, d\)"):
        matching_pursuit(np.zeros((2, 3)), np.zeros((2, 4)), 1)
    with pytest.raises(ConfigError, match="n_nonzero"):
        matching_pursuit(np.zeros((2, 3)), np.zeros((2, 3)), 0)


def sparse_features(n=1200, d=12, seed=0):
    draw = np.random.default_rng(seed)
    atoms = np.linalg.qr(draw.standard_normal((d, d))).Q
    codes = draw.laplace(size=(n, d)) * (draw.random((n, d)) < 0.12)
    return atoms, codes @ atoms + 0.01 * draw.standard_normal((n, d))


def head_along(normal):
    weight = torch.stack([torch.zeros(len(normal)), torch.from_numpy(normal).float()])
    return LinearHead(weight, torch.tensor([0.0, 0.2]))


def test_planted_atoms_are_learned_and_the_margin_is_split_exactly():
    atoms, features = sparse_features(700)
    margins = LinearMargin.of(features, head_along(atoms[0] + atoms[1]), (1,))
    settings = DictionarySettings(n_nonzero=3, stretch=1.0, epochs=12)
    code = sparse_dictionary(features, margins.normals, 0, settings)
    unit = code.atoms / np.linalg.norm(code.atoms, axis=1, keepdims=True)
    assert (np.abs(unit @ atoms.T).max(0) > 0.9).mean() >= 0.75
    split = decompose(margins, code)
    np.testing.assert_allclose(split.parts.sum(1) + split.residual + split.constant, margins.margins, atol=1e-9)
    assert ((split.codes != 0).sum(1) <= 3).all()
    assert (code.atoms @ margins.normals[0] >= 0).all()


def test_a_dictionary_is_as_wide_as_asked_for():
    _, features = sparse_features(200)
    normals = np.eye(12)[:1]
    for width, atoms in ((0.5, 6), (2.0, 24)):
        code = sparse_dictionary(features, normals, 0, DictionarySettings(width=width, epochs=2))
        assert 0.8 * atoms <= len(code.atoms) <= atoms


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_texts_and_equal_texts_are_split_all_the_same(n):
    _, features = sparse_features(n)
    for rows in (features, np.ones((n, 12))):
        margins = LinearMargin.of(rows, head_along(np.eye(12)[0]), (1,))
        code = sparse_dictionary(rows, margins.normals, 0, DictionarySettings(epochs=2))
        split = decompose(margins, code)
        np.testing.assert_allclose(split.parts.sum(1) + split.residual + split.constant, margins.margins, atol=1e-9)


def test_principal_components_are_those_of_the_covariance():
    _, features = sparse_features(300)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    expected = vectors[:, ::-1][:, :4].T
    assert (values[::-1][:3] > values[::-1][1:4]).all()
    found = principal_components(features, 4).atoms
    np.testing.assert_allclose(np.abs((found * expected).sum(1)), 1.0, atol=1e-8)
    assert len(principal_components(features[:3], 8).atoms) == 2


def test_single_units_are_those_that_move_the_margin_most():
    features = np.random.default_rng(0).standard_normal((400, 4)) * [1.0, 5.0, 2.0, 1.0]
    code = single_units(features, np.array([10.0, 0.1, 1.0, 0.0]), 2)
    assert code.atoms.argmax(1).tolist() == [0, 2]
    np.testing.assert_allclose(code.encode(features)[:, 0], features[:, 0] - features[:, 0].mean())


def test_random_directions_stand_at_right_angles_and_random_texts_are_texts():
    _, features = sparse_features(100)
    draw = np.random.default_rng(0)
    basis = random_directions(features, 5, draw).atoms
    np.testing.assert_allclose(basis @ basis.T, np.eye(5), atol=1e-12)
    rows = random_texts(features, np.eye(12)[:1], 7, draw).atoms + features.mean(0)
    apart = np.abs(rows[:, None] - features[None]).max(2)
    assert (apart.min(1) < 1e-12).all()
    assert len(set(apart.argmin(1))) == 7


@pytest.mark.parametrize("wrong", [{"width": 0}, {"n_nonzero": 0}, {"stretch": 0.9}, {"alpha": 0}, {"epochs": 0}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match="dictionary"):
        DictionarySettings(**wrong)
