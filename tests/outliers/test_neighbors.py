from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_features, toy_head
from vos.density import FeatureBank
from vos.errors import ConfigError, DataError
from vos.outliers import NeighborSampler
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
