from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.toy_texts import D, texts_of
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, ShapeError
from vos.mining.targets import Potential, TargetSpace
from vos.types import LinearHead


def test_directions_are_whitened_leading_and_leave_the_margin_alone(space, density, featurizer):
    covariance = density.within_class_covariance()
    torch.testing.assert_close(space.projection.T @ covariance @ space.projection, torch.eye(3, dtype=torch.float64))
    normal = (featurizer.head.weight[1] - featurizer.head.weight[0]).double()
    assert float((space.projection.T @ normal).abs().max()) < 1e-10
    # Variances of the projected covariance by numpy: the three largest are the ones that were kept.
    free = np.eye(D) - np.outer(normal, normal) / float(normal @ normal)
    expected = np.sort(np.linalg.eigvalsh(free @ covariance.numpy() @ free))[::-1][:3]
    kept = 1 / space.projection.norm(dim=0).numpy() ** 2
    np.testing.assert_allclose(kept, expected, rtol=1e-8)


def test_moving_along_the_head_normal_changes_no_coordinate(space, featurizer):
    features = featurizer.featurize(texts_of(5, seed=3)).features.double()
    moved = features + 3.0 * (featurizer.head.weight[1] - featurizer.head.weight[0]).double()
    torch.testing.assert_close(space.coordinates(moved), space.coordinates(features), atol=1e-9, rtol=0)


def test_the_unit_is_the_median_distance_to_the_tenth_neighbour(space, featurizer):
    points = space.coordinates(featurizer.featurize(texts_of(200, seed=1)).features).numpy()
    tenth = [sorted(np.sqrt(((points - p) ** 2).mean(1)))[10] for p in points]  # [0] is the text itself
    # torch's median of an even count is the lower of the middle two.
    assert space.unit == pytest.approx(sorted(tenth)[99], rel=1e-9)


def test_distances_are_root_mean_squares_in_units(space):
    a, b = torch.randn(4, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    found = space.distances(a, b)
    for i in range(4):
        for j in range(2):
            assert float(found[i, j]) == pytest.approx(float(((a[i] - b[j]) ** 2).mean().sqrt()) / space.unit)


def test_the_potential_is_its_formula(space, targets, featurizer):
    batch = featurizer.featurize(texts_of(6, seed=4))
    margins = batch.logits[:, 1] - batch.logits[:, 0]
    potential = Potential(beta=3.0, delta=0.2, tau=0.5)
    values, distances = space.log_potential(batch.features, margins, targets, potential)
    for i in range(6):
        for j in range(len(targets)):
            off = max(0.0, abs(float(margins[i]) - float(targets.margins[j])) - 0.2)
            expected = -1.5 * float(distances[i, j]) ** 2 - 0.5 * (off / 0.5) ** 2
            assert float(values[i, j]) == pytest.approx(expected, rel=1e-6)


def test_a_target_is_nearest_to_itself_and_costs_nothing(space, targets):
    values, distances = space.log_potential(targets.features, targets.margins, targets, Potential())
    torch.testing.assert_close(values.diagonal(), torch.zeros(7, dtype=torch.float64), atol=1e-8, rtol=0)
    assert distances.argmin(1).tolist() == list(range(7))


def test_targets_keep_what_was_drawn(targets, featurizer):
    logits = featurizer.head.logits(targets.features)
    torch.testing.assert_close(targets.margins, logits[:, 1] - logits[:, 0])
    assert len(targets) == 7


def test_some_targets_keep_all_their_numbers(targets):
    some = targets.at([3, 0])
    assert len(some) == 2
    for name in ("features", "coordinates", "margins", "labels", "mahalanobis"):
        assert torch.equal(getattr(some, name), getattr(targets, name)[[3, 0]])


def test_many_classes_project_every_margin_out(generator):
    features = torch.randn(300, 8, generator=generator)
    labels = torch.arange(300) % 4
    head = LinearHead(torch.randn(4, 8, generator=generator), torch.zeros(4))
    density = ClassConditionalGaussian(4, 8).fit(features + labels[:, None], labels)
    space = TargetSpace.fit(features, density, head, (1,), 5)
    weight = head.weight.double()
    differences = (weight[:, None] - weight[None]).reshape(-1, 8)
    assert float((differences @ space.projection).abs().max()) < 1e-9
    with pytest.raises(ConfigError, match=r"in \[1, 5\], got 6"):
        TargetSpace.fit(features, density, head, (1,), 6)


def test_per_class_covariances_are_averaged_by_count(generator):
    features = torch.randn(90, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0])
    labels = torch.tensor([0] * 60 + [1] * 30)
    density = ClassConditionalGaussian(2, 3, "empirical", tied=False).fit(features, labels)
    each = [np.cov(features[labels == c].double().numpy().T, bias=True) for c in (0, 1)]
    found = density.within_class_covariance().numpy()
    np.testing.assert_allclose(found, (60 * each[0] + 30 * each[1]) / 90, rtol=1e-2)


def test_bad_requests_are_refused(density, featurizer):
    features = featurizer.featurize(texts_of(20)).features
    with pytest.raises(ConfigError, match=r"in \[1, 5\], got 0"):
        TargetSpace.fit(features, density, featurizer.head, (1,), 0)
    with pytest.raises(ShapeError, match="at least 2 real texts, got 1"):
        TargetSpace.fit(features[:1], density, featurizer.head, (1,), 2)
    for options in ({"beta": -1.0}, {"delta": -0.1}, {"tau": 0.0}):
        with pytest.raises(ConfigError, match="expected beta >= 0"):
            Potential(**options)


def test_equal_texts_leave_a_positive_unit(density, featurizer):
    features = featurizer.featurize(["w1 w2"] * 12).features
    assert math.isfinite(1 / TargetSpace.fit(features, density, featurizer.head, (1,), 2).unit)
