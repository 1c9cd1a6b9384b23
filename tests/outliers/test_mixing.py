from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from tests.contracts import check_outlier_sampler, toy_density, toy_features, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, DataError, NotFittedError
from vos.outliers import MixSampler, NoiseSampler
from vos.outliers._memory import pick_rows


@pytest.mark.parametrize("tied", [True, False])
def test_they_behave_as_every_sampler(tied):
    check_outlier_sampler(MixSampler(), 3, tied)
    check_outlier_sampler(MixSampler(memory=lambda: toy_features(40, 3, 6)), 3, tied)
    check_outlier_sampler(NoiseSampler(scale=2.0), 3, tied)


def line_of_classes() -> tuple[ClassConditionalGaussian, torch.Tensor]:
    """Three classes at 0, 1 and 10 on the first axis, almost without spread."""
    density = ClassConditionalGaussian(3, 2)
    density.means[:, 0] = torch.tensor([0.0, 1.0, 10.0])
    density.cholesky.mul_(1e-9)
    density.ready.fill_(True)
    return density


def test_mixes_lie_between_their_classes_with_a_uniform_share():
    # Of class 1, partners at 0 and 10: below 1 the share is 1 - h, above it (h - 1) / 9, both uniform; 2,000 draws each
    # way on average, DKW bound for a failure rate of 1e-6 over two comparisons at n >= 1,800.
    drawn = MixSampler()(line_of_classes(), toy_head(3, 2, dtype=torch.float64), 4000, torch.Generator().manual_seed(0))
    h = drawn.features[drawn.labels == 1][:, 0]
    below, above = h[h < 1.0], h[h > 1.0]
    assert min(len(below), len(above)) > 1800
    bound = math.sqrt(-0.5 * math.log(1e-6 / 4) / 1800)
    assert stats.kstest((1.0 - below).numpy(), "uniform").statistic < bound
    assert stats.kstest(((above - 1.0) / 9.0).numpy(), "uniform").statistic < bound


def test_the_share_keeps_to_its_range(generator):
    drawn = MixSampler(low=0.75, high=1.0)(line_of_classes(), toy_head(3, 2, dtype=torch.float64), 500, generator)
    h = drawn.features[drawn.labels == 2][:, 0]
    assert 7.5 - 1e-6 <= float(h.min()) < 7.7
    assert float(h.max()) <= 10.0 + 1e-6
    own = MixSampler(low=1.0, high=1.0)(line_of_classes(), toy_head(3, 2, dtype=torch.float64), 5, generator)
    torch.testing.assert_close(own.features[:5, 0], torch.zeros(5).double(), atol=1e-6, rtol=0.0)


def test_rows_are_picked_evenly_within_their_class(generator):
    labels = torch.tensor([2, 0, 2, 2, 0])
    picked = pick_rows(labels, torch.tensor([0] * 1000 + [2] * 3000), generator)
    assert torch.equal(labels[picked], torch.tensor([0] * 1000 + [2] * 3000))
    # Counts of mean 500 (sd 15.8) and 1000 (sd 25.8): 6 sigma.
    counts = torch.bincount(picked, minlength=5)
    assert (counts[[1, 4]] - 500).abs().max() < 6 * 15.8
    assert (counts[[0, 2, 3]] - 1000).abs().max() < 6 * 25.8


def one_hot_memory() -> tuple[ClassConditionalGaussian, torch.Tensor, torch.Tensor]:
    """Texts at the corners of a simplex, so that a mix tells its two texts and its share; class 2 of four not ready."""
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
    density = ClassConditionalGaussian(4, 10)
    density.ready.copy_(torch.tensor([True, True, False, True]))
    return density, torch.eye(10, dtype=torch.float64), labels


def test_a_mix_of_texts_is_of_one_text_of_its_class_and_one_of_another_that_is_ready():
    # 3,000 draws a class. Every pair of texts is as likely as its classes and their sizes say: counts within 5.5
    # sigma over 42 pairs, a failure rate of 2e-6; shares uniform in [0.6, 0.9], n = 9,000, DKW bound for 1e-6.
    density, features, labels = one_hot_memory()
    sampler = MixSampler(memory=lambda: (features, labels), low=0.6, high=0.9)
    drawn = sampler(density, toy_head(4, 10, dtype=torch.float64), 3000, torch.Generator().manual_seed(0))
    assert ((drawn.features > 0).sum(1) == 2).all()
    share, own = drawn.features.max(1)
    other = torch.where(drawn.features == share[:, None], 0.0, drawn.features).argmax(1)
    torch.testing.assert_close(drawn.features.sum(1), torch.ones(9000).double())
    assert torch.equal(labels[own], drawn.labels)
    bound = math.sqrt(-0.5 * math.log(1e-6 / 2) / 9000)
    assert stats.kstest(share.numpy(), stats.uniform(0.6, 0.3).cdf).statistic < bound

    found = torch.bincount(10 * own + other, minlength=100).view(10, 10)
    sizes = torch.bincount(labels)
    for i in range(10):
        for j in range(10):
            a, b = int(labels[i]), int(labels[j])
            allowed = a != b and 2 not in (a, b)
            p = 0.5 / float(sizes[a] * sizes[b]) if allowed else 0.0
            assert abs(int(found[i, j]) - 3000 * p) <= 5.5 * math.sqrt(3000 * p * (1 - p)), (i, j)


def test_without_a_memory_a_class_that_is_not_ready_is_no_partner_either():
    density, _, _ = one_hot_memory()
    density.means.copy_(torch.eye(10, dtype=torch.float64)[:4])
    density.cholesky.mul_(1e-9)
    density.means[2] = 100.0
    drawn = MixSampler()(density, toy_head(4, 10, dtype=torch.float64), 200, torch.Generator().manual_seed(0))
    assert drawn.labels.unique().tolist() == [0, 1, 3]
    assert float(drawn.features.max()) < 1.1
    partners = (drawn.features > 1e-6).scatter(1, drawn.labels[:, None], False)
    assert partners.any(0).tolist() == [True, True, False, True] + 6 * [False]


def test_a_class_that_is_not_ready_may_be_absent_from_the_memory(generator):
    density, features, labels = one_hot_memory()
    kept = labels != 2
    sampler = MixSampler(memory=lambda: (features[kept], labels[kept]))
    assert len(sampler(density, toy_head(4, 10), 3, generator)) == 9


def test_noise_has_the_total_variance_of_the_class_and_no_direction():
    # 20,000 draws a class in d = 3: entries of the sample covariance have standard errors of 1 %.
    density = toy_density(2, 3, tied=False)
    drawn = NoiseSampler(scale=2.0)(
        density, toy_head(2, 3, dtype=torch.float64), 20_000, torch.Generator().manual_seed(0)
    )
    for c in range(2):
        h = drawn.features[drawn.labels == c]
        variance = float((density.cholesky[c] @ density.cholesky[c].mT).trace() / 3)
        tolerance = {"rtol": 0.0, "atol": 0.06 * 4.0 * variance}
        torch.testing.assert_close(h.mT.cov(), 4.0 * variance * torch.eye(3).double(), **tolerance)


def test_what_cannot_work_is_refused(generator):
    for options in ({"low": -0.1}, {"high": 1.1}, {"low": 0.6, "high": 0.5}, {"high": math.nan}):
        with pytest.raises(ConfigError, match="low <= high"):
            MixSampler(**options)
    for scale in (0.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="a finite number > 0"):
            NoiseSampler(scale=scale)
    lonely = toy_density(2, 4)
    lonely.ready[0] = False
    with pytest.raises(NotFittedError, match="found 1"):
        MixSampler()(lonely, toy_head(2, 4), 1, generator)
    with pytest.raises(DataError, match="none of class 1"):
        MixSampler(memory=lambda: toy_features(4, 1, 4))(toy_density(2, 4), toy_head(2, 4), 1, generator)
