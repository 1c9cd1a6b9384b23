"""Radii of a density contain the stated shares of held-out texts, for any features."""

import logging
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats

from tests.contracts import toy_density
from vos.density import ClassConditionalGaussian, GaussianDensity, LowRankGaussian, StreamingMoments
from vos.density.io import _KEY
from vos.errors import DataError, NotFittedError, ShapeError

TRAINED, D, CLASSES, HELD_OUT, NEW = 700, 384, 4, 299, 2000


def features_of(kind, seed):
    """Features of TRAINED + HELD_OUT + NEW texts and their classes, as an encoder gives them that saw the first."""
    rng = np.random.default_rng(seed)
    n = TRAINED + HELD_OUT + NEW
    labels = np.arange(n) % CLASSES
    z = rng.standard_normal((n, D))
    if kind == "heavy":
        z /= np.sqrt(rng.chisquare(4, (n, 1)) / 4)
    if kind == "light":
        z *= np.sqrt(D) / np.linalg.norm(z, axis=1, keepdims=True) * rng.uniform(0.9, 1.0, (n, 1))
    if kind == "overfitted":
        # A linear encoder with more inputs than texts, fitted to the training texts until it meets its targets.
        inputs = rng.standard_normal((n, 1000))
        targets = 3.0 * np.eye(D)[labels[:TRAINED]] + 0.3 * z[:TRAINED]
        z = inputs @ (np.linalg.pinv(inputs[:TRAINED]) @ targets)
    return torch.from_numpy(z), torch.from_numpy(labels)


def calibrated_on(kind, seed=0):
    features, labels = features_of(kind, seed)
    held = slice(TRAINED, TRAINED + HELD_OUT)
    # With few texts the estimate that shrinks is kind to chi-square; the plain one shows what fitting alone does.
    estimate = "empirical" if kind in ("normal", "light") else "ledoit_wolf"
    density = ClassConditionalGaussian(CLASSES, D, estimate).fit(features[:TRAINED], labels[:TRAINED])
    density.calibrate(features[held], labels[held])
    return density, features[held.stop :], labels[held.stop :]


@pytest.mark.parametrize("kind", ["normal", "heavy", "light", "overfitted"])
def test_beyond_a_radius_lies_the_share_that_it_says(kind):
    # n = 700 training texts, d = 384, 299 held out, 2,000 new ones. q (299 + 1) is whole, so whatever the law the count
    # beyond is beta-binomial; each of 12 bounds fails one time in a million.
    density, features, labels = calibrated_on(kind)
    squared = density.own_mahalanobis(features, labels)
    for share in (0.5, 0.9, 0.99):
        count = int((squared > density.squared_radii(share, labels)).sum())
        k = round(share * (HELD_OUT + 1))
        low, high = stats.betabinom(NEW, HELD_OUT + 1 - k, k).ppf([5e-7, 1 - 5e-7])
        assert low <= count <= high, (share, count)
    # Chi-square is far off: at 0.5 or at 0.99 it holds too many or too few by a sixth of all texts.
    chi_square = [float((squared > stats.chi2(D).ppf(q)).double().mean()) - (1 - q) for q in (0.5, 0.99)]
    assert max(map(abs, chi_square)) > 1 / 6


def test_held_out_texts_are_measured_against_their_own_class():
    density = toy_density(2, 3, tied=True)
    features = density.means[[0, 1]].repeat(20, 1) + torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    density.calibrate(features, torch.tensor([0, 1]).repeat(20))
    own = density.mahalanobis(features).gather(1, torch.tensor([0, 1]).repeat(20)[:, None])[:, 0]
    at = torch.linalg.vector_norm(density.held_out * density.training_scale - own.sort().values)
    assert float(at) < 1e-9
    radii = density.squared_radii(0.5, torch.tensor([0, 1]))
    middle = own.sort().values
    expected = middle[19] + 0.5 * (middle[20] - middle[19])
    torch.testing.assert_close(radii, expected.expand(2))


def test_a_class_with_a_hundred_held_out_texts_has_radii_of_its_own():
    generator = torch.Generator().manual_seed(0)
    density = toy_density(3, 4, tied=True)
    labels = torch.tensor([0] * 100 + [1] * 99 + [2] * 5)
    features = (
        density.means[labels] + torch.randn(len(labels), 4, generator=generator) * (1.0 + 2.0 * (labels == 0))[:, None]
    )
    density.calibrate(features, labels)
    radii = density.squared_radii(0.5, torch.arange(3))
    own = density.own_mahalanobis(features, labels)
    torch.testing.assert_close(radii[0], own[:100].quantile(0.5))
    assert radii[1] == radii[2] == pytest.approx(float(own.quantile(0.5)))
    assert radii[0] > radii[1]
    torch.testing.assert_close(density.share_beyond(radii, torch.arange(3)), torch.full((3,), 0.5).double())


@pytest.mark.parametrize("kind", [ClassConditionalGaussian, partial(LowRankGaussian, rank=2)])
def test_a_refit_moves_the_radii_by_the_distances_of_the_training_texts(kind):
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(60, 5, generator=generator).double(), torch.arange(60) % 2
    held, owners = 2.0 * torch.randn(40, 5, generator=generator).double(), torch.arange(40) % 2
    density = kind(2, 5).fit(features, labels).calibrate(held, owners)
    before, ratio = density.squared_radii(0.9, labels[:2]), density.held_out.clone()
    density.fit(7.0 * features, labels)  # another unit of the features is none of the distances
    torch.testing.assert_close(density.squared_radii(0.9, labels[:2]), before)
    density.fit(features[:12], labels[:12])
    scale = density.own_mahalanobis(features[:12], labels[:12]).mean()
    torch.testing.assert_close(density.training_scale, scale)
    assert torch.equal(density.held_out, ratio)
    fresh = kind(2, 5).fit(features, labels)
    expected = before * scale / fresh.own_mahalanobis(features, labels).mean()
    torch.testing.assert_close(density.squared_radii(0.9, labels[:2]), expected)


@pytest.mark.parametrize("tied", [True, False])
def test_moments_gathered_by_batches_give_the_scale_of_all_texts(tied):
    features, labels = torch.randn(90, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(90) % 3
    moments = StreamingMoments(3, 4, tied).update(features[:50], labels[:50]).update(features[50:], labels[50:])
    density = ClassConditionalGaussian(3, 4, "oas", tied).fit_moments(moments)
    torch.testing.assert_close(density.training_scale, density.own_mahalanobis(features, labels).mean())


def test_a_saved_density_keeps_its_radii_and_an_older_file_is_one_without(tmp_path, caplog):
    density, _, labels = calibrated_on("normal")
    density.save(tmp_path / "a.safetensors")
    loaded = GaussianDensity.load(tmp_path / "a.safetensors")
    assert torch.equal(loaded.squared_radii(0.97, labels[:9]), density.squared_radii(0.97, labels[:9]))
    tensors = load_file(tmp_path / "a.safetensors")
    older = {name: t for name, t in tensors.items() if name in ("means", "counts", "ready", "jitter", "cholesky")}
    assert len(older) == len(tensors) - 3
    header = '{"format_version": 1, "kind": "ClassConditionalGaussian", "n_classes": 4, "n_features": 384}'
    save_file(older, tmp_path / "b.safetensors", metadata={_KEY: header})
    found = GaussianDensity.load(tmp_path / "b.safetensors")
    assert not found.is_calibrated
    with caplog.at_level(logging.WARNING, logger="vos.density.radii"):
        radii = [found.without([c]).squared_radii(0.9, labels[:1]) for c in (0, 1)]
    torch.testing.assert_close(radii[0], torch.tensor([stats.chi2(D).ppf(0.9)]))
    (record,) = caplog.records  # said once, by whichever view
    assert "chi-square" in record.message


def test_a_state_with_other_held_out_texts_can_be_loaded_over_one():
    density, other = toy_density(2, 3, tied=True), toy_density(2, 3, tied=True)
    other.calibrate(other.means, torch.arange(2))
    density.calibrate(other.means.repeat(3, 1) + 1.0, torch.arange(6) % 2)
    density.squared_radii(0.5, torch.arange(2))
    density.load_state_dict(other.state_dict())
    assert torch.equal(density.held_out, other.held_out)
    assert torch.equal(density.squared_radii(0.9, torch.arange(2)), other.squared_radii(0.9, torch.arange(2)))
    broken = {**other.state_dict(), "held_out_labels": torch.zeros(1, dtype=torch.int64)}
    with pytest.raises(ValueError, match="got 2 texts and 1 classes"):
        density.load_state_dict(broken)


def test_what_lies_beyond_every_held_out_text_is_extrapolated():
    density, _, labels = calibrated_on("heavy")
    owners, largest = labels[:2], HELD_OUT / (HELD_OUT + 1)
    assert density.law_of(0).largest_measured == largest
    assert not density.is_extrapolated(density.squared_radii(largest, owners), owners).any()
    assert density.is_extrapolated(density.squared_radii(0.999, owners), owners).all()
    assert not toy_density(2, 3, tied=True).is_extrapolated(torch.tensor([1e9]), torch.tensor([0])).any()


def test_texts_of_classes_that_are_not_ready_have_no_distance(caplog):
    features, labels = (
        torch.randn(8, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]),
    )
    density = ClassConditionalGaussian(3, 3).fit(features, labels)
    density.calibrate(features + 1.0, labels)
    assert len(density.held_out) == 7
    before = density.held_out.clone()
    with caplog.at_level(logging.WARNING, logger="vos.density.radii"):
        density.calibrate(features[7:], labels[7:])
    assert torch.equal(density.held_out, before)
    assert "no held-out text of a class that is ready" in caplog.text


def test_held_out_texts_that_cannot_be_measured_are_refused():
    with pytest.raises(NotFittedError):
        ClassConditionalGaussian(2, 3).calibrate(torch.zeros(2, 3), torch.arange(2))
    density = toy_density(2, 3, tied=True)
    with pytest.raises(ShapeError):
        density.calibrate(torch.zeros(2, 4), torch.arange(2))
    with pytest.raises(DataError):
        density.calibrate(torch.full((2, 3), torch.nan), torch.arange(2))
    with pytest.raises(DataError):
        density.calibrate(torch.zeros(2, 3), torch.tensor([0, -1]))


def test_training_rows_without_spread_leave_the_unit_as_it_was():
    """Every second of 512 rows is measured: those of a class of equal texts, whose distance to their class is zero."""
    features, labels = torch.zeros(512, 2, dtype=torch.float64), torch.ones(512, dtype=torch.int64)
    features[1], features[3], labels[[1, 3]] = 1.0, 2.0, 0
    density = ClassConditionalGaussian(2, 2).fit(features, labels)
    assert float(density.training_scale) == 1.0
