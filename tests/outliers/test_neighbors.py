from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_features, toy_head
from vos.density import FeatureBank
from vos.errors import ConfigError, DataError
from vos.outliers import NeighborSampler, neighbors
from vos.outliers._memory import at_most
from vos.outliers.neighbors import boundary_rows, farthest


@pytest.mark.parametrize(("n_classes", "tied"), [(2, True), (3, False)])
def test_behaves_as_every_sampler(n_classes, tied):
    check_outlier_sampler(NeighborSampler(memory=lambda: toy_features(40, n_classes, 6), k=3), n_classes, tied)


@pytest.mark.parametrize("k", [1, 4])
def test_boundary_texts_and_filter_equal_brute_force(k, generator):
    features, labels = toy_features(12, 3, 4)
    features = features.double()
    members = labels == 1
    expected = oracles.naive_boundary_rows(features.numpy(), members.nonzero()[:, 0].tolist(), k, 5)
    # As sets: two texts can be each other's k-th neighbour, and tie.
    assert set(boundary_rows(features, members, k, 5).tolist()) == set(expected)
    assert len(boundary_rows(features, members, k, 99)) == 12
    points = torch.randn(7, 9, 4, generator=generator, dtype=torch.float64)
    chosen = oracles.naive_farthest(points.numpy(), features.numpy(), k)
    assert torch.equal(farthest(points, features, k), points[torch.arange(7), chosen])


def test_draws_equal_the_algorithm_step_by_step():
    # The same numbers from a generator of the same seed, drawn in the order that the sampler documents: places among
    # the boundary texts, then candidates, class by class.
    features, labels = toy_features(20, 3, 5)
    features = (features * (1.0 + labels[:, None])).double()  # classes of different spread
    density = toy_density(3, 5, tied=False).fit(features, labels)
    k, boundary, candidates, n = 4, 3, 6, 16
    expected, generator = [], torch.Generator().manual_seed(5)
    for c in range(3):
        rows = oracles.naive_boundary_rows(features.numpy(), (labels == c).nonzero()[:, 0].tolist(), k, boundary)
        sigma = np.sqrt(np.trace((density.cholesky[c] @ density.cholesky[c].mT).numpy()) / 5)
        places = torch.rand(n, generator=generator, dtype=torch.float64).numpy()
        noise = torch.randn(n, candidates, 5, generator=generator, dtype=torch.float64).numpy()
        starts = features.numpy()[[rows[int(place * len(rows))] for place in places]]
        assert len({tuple(start) for start in starts}) == boundary  # all of them are started from
        points = starts[:, None] + 0.7 * sigma * noise
        best = oracles.naive_farthest(points, features.numpy(), k)
        expected += [points[i, j] for i, j in enumerate(best)]

    sampler = NeighborSampler(
        memory=lambda: (features, labels), k=k, boundary=boundary, candidates=candidates, noise=0.7
    )
    drawn = sampler(density, toy_head(3, 5, dtype=torch.float64), n, torch.Generator().manual_seed(5))
    torch.testing.assert_close(drawn.features, torch.as_tensor(np.stack(expected)), rtol=1e-12, atol=1e-12)
    assert drawn.labels.tolist() == [0] * n + [1] * n + [2] * n


def test_boundary_texts_are_found_again_only_when_a_text_changes(monkeypatch):
    features, labels = toy_features(12, 2, 4)
    features = features.double()  # what the memory gives is what is written to below
    density, head = toy_density(2, 4), toy_head(2, 4, dtype=torch.float64)
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return boundary_rows(*arguments)

    monkeypatch.setattr(neighbors, "boundary_rows", counted)

    def made():
        return NeighborSampler(memory=lambda: (features, labels), k=2, boundary=3, candidates=4)

    sampler = made()

    def classes_searched() -> int:
        calls.clear()
        drawn = sampler(density, head, 5, torch.Generator().manual_seed(0))
        n = len(calls)
        assert torch.equal(drawn.features, made()(density, head, 5, torch.Generator().manual_seed(0)).features)
        return n

    assert classes_searched() == 2
    assert classes_searched() == 0
    density.fit(*toy_features(40, 2, 4, seed=5))  # boundary texts do not depend on the density
    assert classes_searched() == 0
    features[3] += 20.0
    assert classes_searched() == 2
    labels[[0, 20]] = labels[[20, 0]]
    assert classes_searched() == 2
    features, labels = features[:-1], labels[:-1]
    assert classes_searched() == 2
    assert classes_searched() == 0


def test_a_class_left_out_at_first_is_found_later():
    features, labels = toy_features(12, 2, 4)
    density, head = toy_density(2, 4), toy_head(2, 4)
    sampler = NeighborSampler(memory=lambda: (features, labels), k=2, candidates=4)
    assert sampler(density.without([0]), head, 2, torch.Generator()).labels.tolist() == [1, 1]
    assert sampler(density, head, 2, torch.Generator()).labels.tolist() == [0, 0, 1, 1]


def test_texts_of_a_class_are_chosen_evenly(generator):
    # Of 9 and 4 texts, 3 each: 3,000 choices, binomial counts of mean 1,000 (sd 25.8) and 2,250 (sd 23.7), 5.5 sigma.
    labels = torch.tensor([1] * 5 + [0] * 4 + [1] * 4)
    rows = torch.stack([at_most(labels, 3, generator) for _ in range(3000)])
    assert (rows.diff(dim=1) > 0).all()
    assert ((labels[rows] == 0).sum(1) == 3).all()
    counts = torch.bincount(rows.flatten(), minlength=13)
    assert (counts[labels == 1] - 1000).abs().max() < 5.5 * 25.8
    assert (counts[labels == 0] - 2250).abs().max() < 5.5 * 23.7
    assert torch.bincount(labels[at_most(labels, 6, generator)]).tolist() == [4, 6]
    assert at_most(labels, 9, generator).tolist() == list(range(13))


def test_with_few_texts_those_are_the_bank():
    # The draws are those from a memory that holds the chosen texts alone.
    features, labels = toy_features(30, 2, 4)
    density, head = toy_density(2, 4), toy_head(2, 4, dtype=torch.float64)
    options = {"k": 2, "boundary": 3, "candidates": 4}
    sampler = NeighborSampler(memory=lambda: (features, labels), texts=8, **options)
    drawn = sampler(density, head, 5, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    rows = at_most(labels, 8, generator)
    alone = NeighborSampler(memory=lambda: (features[rows], labels[rows]), **options)(density, head, 5, generator)
    assert torch.equal(drawn.features, alone.features)
    check_outlier_sampler(NeighborSampler(memory=lambda: toy_features(40, 3, 6), texts=20), 3, True)
    with pytest.raises(ConfigError, match=r"outliers\.texts: expected at least one"):
        NeighborSampler(memory=lambda: (features, labels), texts=0)


def test_more_candidates_lie_farther_out():
    density, head = toy_density(2, 6), toy_head(2, 6, dtype=torch.float64)
    bank = FeatureBank(80, 6)
    features, labels = toy_features(40, 2, 6)
    bank.push(features, labels, torch.arange(80))

    def mean_distance(candidates: int) -> float:
        sampler = NeighborSampler(memory=bank.contents, candidates=candidates)
        return float(sampler(density, head, 100, torch.Generator().manual_seed(0)).mahalanobis.mean())

    assert mean_distance(1) < mean_distance(5) < mean_distance(50)


def test_noise_is_measured_in_units_of_the_class():
    features, labels = toy_features(40, 2, 6)
    head = toy_head(2, 6, dtype=torch.float64)
    plain = NeighborSampler(memory=lambda: (features.double(), labels), noise=0.5)
    scaled = NeighborSampler(memory=lambda: (100.0 * features.double(), labels), noise=0.5)
    near = plain(toy_density(2, 6).fit(features.double(), labels), head, 4, torch.Generator().manual_seed(0))
    far = scaled(toy_density(2, 6).fit(100.0 * features.double(), labels), head, 4, torch.Generator().manual_seed(0))
    torch.testing.assert_close(far.features, 100.0 * near.features)
    torch.testing.assert_close(far.mahalanobis, near.mahalanobis)


@pytest.mark.parametrize("option", ["k", "boundary", "candidates", "noise"])
def test_options_that_cannot_work_are_refused(option):
    with pytest.raises(ConfigError, match=f"{option}=0"):
        NeighborSampler(memory=lambda: toy_features(4, 2, 6), **{option: 0})


@pytest.mark.parametrize("noise", [math.nan, math.inf, -1.0])
def test_noise_that_is_no_width_is_refused(noise):
    with pytest.raises(ConfigError, match="a finite noise > 0"):
        NeighborSampler(memory=lambda: toy_features(4, 2, 6), noise=noise)


def test_a_memory_without_a_ready_class_is_refused(generator):
    sampler = NeighborSampler(memory=lambda: toy_features(4, 1, 6))
    with pytest.raises(DataError, match="none of class 1"):
        sampler(toy_density(2, 6), toy_head(2, 6), 1, generator)
