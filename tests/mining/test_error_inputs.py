"""The inputs of an expected error, against loops over numpy arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, ShapeError
from vos.mining import error_inputs
from vos.mining.error_inputs import ErrorInputs, LabelledNeighbours, sides_of, wrong_side
from vos.types import FeatureBatch, LinearHead

D = 6


def world(n_classes, n=120, seed=0):
    """Training features and labels of well separated classes, their density, and a chunk of other texts."""
    draw = torch.Generator().manual_seed(seed)
    means = 2.0 * torch.randn(n_classes, D, generator=draw)
    labels = torch.arange(n) % n_classes
    features = means[labels] + torch.randn(n, D, generator=draw)
    head = LinearHead(means, torch.zeros(n_classes))
    others = means[labels[:50]] + 1.5 * torch.randn(50, D, generator=draw)
    density = ClassConditionalGaussian(n_classes, D).fit(features, labels)
    return features, labels, density, FeatureBatch(others, head.logits(others), labels[:50])


def by_loop(features, labels, density, batch, harmful, k):
    """Margins, shares beyond and disagreements of each text alone."""
    side = [int(c in harmful) if harmful else c for c in range(batch.logits.shape[1])]
    known, precision = features.numpy().astype(float), np.linalg.inv(density.within_class_covariance().numpy())
    rows = []
    for h, logits in zip(batch.features.numpy().astype(float), batch.logits.numpy().astype(float), strict=True):
        predicted = int(logits.argmax())
        if harmful:
            margin = max(logits[c] for c in harmful) - max(z for c, z in enumerate(logits) if c not in harmful)
        else:
            margin = np.diff(np.sort(logits))[-1]
        gap = h - known[labels.numpy() == predicted].mean(0)
        cosines = known @ h / np.linalg.norm(known, axis=1)
        nearest = sorted(range(len(known)), key=lambda i: -cosines[i])[:k]
        disagreement = np.mean([side[int(labels[i])] != side[predicted] for i in nearest])
        rows.append((margin, stats.chi2.sf(gap @ precision @ gap, D), disagreement))
    return np.array(rows)


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (1,)), (5, (1, 3)), (5, ()), (2, ())])
@pytest.mark.parametrize("at_once", [2**24, 500])
def test_inputs_are_those_of_each_text_alone(n_classes, harmful, at_once, monkeypatch):
    monkeypatch.setattr(error_inputs, "SIMILARITIES", at_once)
    features, labels, density, batch = world(n_classes)
    neighbours = LabelledNeighbours.of(features, labels, harmful, n_classes, k=7)
    found = ErrorInputs.of(batch, density, harmful, neighbours)
    expected = by_loop(features, labels, density, batch, harmful, 7)
    for column, values in enumerate((found.margins, found.beyond, found.disagreement)):
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, expected[:, column], rtol=1e-4, atol=1e-6)
    assert 0.0 < found.disagreement.mean() < 1.0
    known = ErrorInputs.of(batch, density, harmful, neighbours, density.mahalanobis(batch.features))
    np.testing.assert_array_equal(known.beyond, found.beyond)


def test_chunks_give_what_the_whole_gives():
    features, labels, density, batch = world(5)
    density.calibrate(batch.features, batch.labels)
    neighbours = LabelledNeighbours.of(features, labels, (1,), 5)
    whole = ErrorInputs.of(batch, density, (1,), neighbours)
    parts = [
        ErrorInputs.of(FeatureBatch(batch.features[rows], batch.logits[rows]), density, (1,), neighbours)
        for rows in torch.arange(50).split(13)
    ]
    for name in ("margins", "beyond", "disagreement"):
        np.testing.assert_allclose(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name), rtol=1e-9)


def test_a_calibrated_distance_is_a_rank_among_held_out_texts():
    features, labels, density, batch = world(2)
    density.calibrate(batch.features, batch.labels)
    neighbours = LabelledNeighbours.of(features, labels, (1,), 2)
    right = batch.logits.argmax(-1) == batch.labels
    found = ErrorInputs.of(batch, density, (1,), neighbours).beyond[right.numpy()]
    squared = density.own_mahalanobis(batch.features, batch.labels)
    beyond = [(squared > own).sum() + 1 for own in squared[right]]
    np.testing.assert_allclose(found, np.array(beyond) / 51.0, atol=1e-9)


def test_a_class_without_texts_is_as_far_as_can_be():
    features, labels, _, batch = world(2)
    density = ClassConditionalGaussian(3, D).fit(features, labels)
    logits = torch.cat([batch.logits, torch.full((50, 1), 1e6)], 1)
    logits[::2, 2] = -1e6
    neighbours = LabelledNeighbours.of(features, labels, (1,), 3)
    found = ErrorInputs.of(FeatureBatch(batch.features, logits), density, (1,), neighbours)
    assert (found.beyond[1::2] == 0.0).all()
    assert (found.beyond[::2] > 0.0).all()


def test_sides_and_mistakes():
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
    labels = torch.tensor([0, 2, 0, 2])
    assert wrong_side(logits, labels, (1, 2)).tolist() == [False, False, True, True]  # one harm for another is none
    assert wrong_side(logits, labels, ()).tolist() == [False, True, True, True]
    assert sides_of(labels, (2,), 3).tolist() == [0, 1, 0, 1]
    with pytest.raises(ConfigError, match="harmful: expected"):
        sides_of(labels, (0, 1, 2), 3)


def test_few_labelled_texts_are_all_asked():
    features, labels, _, batch = world(2)
    few = LabelledNeighbours.of(features[:3], labels[:3], (1,), 2)  # classes 0, 1, 0
    assert few.disagreement(batch.features, torch.ones(50, dtype=torch.int64)).tolist() == pytest.approx([2 / 3] * 50)


@pytest.mark.parametrize(
    ("features", "labels", "k"),
    [
        (torch.zeros(3), torch.zeros(3), 1),
        (torch.zeros(3, 2), torch.zeros(2), 1),
        (torch.zeros(0, 2), torch.zeros(0), 1),
    ],
)
def test_labelled_texts_have_a_shape(features, labels, k):
    with pytest.raises(ShapeError, match=r"expected features \(N, d\)"):
        LabelledNeighbours.of(features, labels.long(), (1,), 2, k)
