from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from tests.contracts import check_outlier_sampler, toy_density, toy_features, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, DataError, NotFittedError
from vos.outliers import MixSampler, NoiseSampler
from vos.outliers.memory import pick_rows


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
    for options in ({"low": -0.1}, {"high": 1.1}, {"low": 0.6, "high": 0.5}):
        with pytest.raises(ConfigError, match="low <= high"):
            MixSampler(**options)
    with pytest.raises(ConfigError, match="> 0"):
        NoiseSampler(scale=0.0)
    lonely = toy_density(2, 4)
    lonely.ready[0] = False
    with pytest.raises(NotFittedError, match="found 1"):
        MixSampler()(lonely, toy_head(2, 4), 1, generator)
    with pytest.raises(DataError, match="none of class 1"):
        MixSampler(memory=lambda: toy_features(4, 1, 4))(toy_density(2, 4), toy_head(2, 4), 1, generator)
