from __future__ import annotations

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


def test_a_memory_without_a_ready_class_is_refused(generator):
    sampler = NeighborSampler(memory=lambda: toy_features(4, 1, 6))
    with pytest.raises(DataError, match="none of class 1"):
        sampler(toy_density(2, 6), toy_head(2, 6), 1, generator)
