from __future__ import annotations

import copy

import pytest
import torch

from tests.contracts import toy_features
from vos.density import ClassConditionalGaussian, StreamingMoments
from vos.errors import ConfigError, DataError, NotFittedError, ShapeError

BOTH = pytest.mark.parametrize("tied", [True, False])


def stream(features, labels, tied, sizes, n_classes=3):
    moments = StreamingMoments(n_classes, features.shape[1], tied)
    for rows in torch.split(torch.arange(len(labels)), sizes):
        moments.update(features[rows], labels[rows])
    return moments


@BOTH
@pytest.mark.parametrize("covariance", ["empirical", "oas"])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_batches_give_the_fit_of_all_texts(tied, covariance, offset):
    # The offset is where sums of raw outer products lose half of their digits.
    features, labels = toy_features(30, 3, 5)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    features, labels = features.double()[order] + offset, labels[order]
    whole = ClassConditionalGaussian(3, 5, covariance, tied).fit(features, labels)
    streamed = ClassConditionalGaussian(3, 5, covariance, tied)
    assert streamed.fit_moments(stream(features, labels, tied, [1, 2, 30, 7, 50])) is streamed
    assert torch.equal(streamed.counts, whole.counts)
    torch.testing.assert_close(streamed.means, whole.means, rtol=1e-12, atol=1e-8)
    torch.testing.assert_close(streamed.cholesky, whole.cholesky, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(streamed.jitter, whole.jitter)


@BOTH
def test_two_processes_merge_to_one(tied):
    features, labels = toy_features(30, 3, 5)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    features, labels = features.double()[order], labels[order]
    one = stream(features, labels, tied, [90])
    # The second process never sees class 2, the first sees class 0 only now and then.
    here = labels != 0
    other = stream(features[~here], labels[~here], tied, [11, 19])
    merged = stream(features[here], labels[here], tied, [60]).merge(other)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(merged.state_dict()[name], value, rtol=1e-9, atol=1e-9)
    empty = copy.deepcopy(one).merge(StreamingMoments(3, 5, tied))
    assert all(torch.equal(value, one.state_dict()[name]) for name, value in empty.state_dict().items())


@BOTH
def test_identical_texts_are_no_variance_in_a_stream_either(tied):
    features = torch.tensor([[0.1, 0.7]], dtype=torch.float64).repeat(9, 1)
    moments = stream(features, torch.zeros(9).long(), tied, [1, 3, 5], n_classes=1)
    assert float(moments.scatter.abs().max()) > 0.0, "no rounding: this tests nothing"
    assert moments.varied().tolist() == [False]
    with pytest.raises(NotFittedError, match="class 0: 9"):
        ClassConditionalGaussian(1, 2, "empirical", tied).fit_moments(moments)


@BOTH
@pytest.mark.parametrize("covariance", ["empirical", "oas"])
def test_a_class_with_one_text_is_left_out(tied, covariance):
    features, labels = toy_features(10, 3, 4)
    rows = (labels != 1) | (torch.arange(30) == 10)
    moments = stream(features[rows], labels[rows], tied, [4, 17])
    density = ClassConditionalGaussian(3, 4, covariance, tied).fit_moments(moments)
    whole = ClassConditionalGaussian(3, 4, covariance, tied).fit(features[rows], labels[rows])
    assert density.ready.tolist() == [True, False, True]
    torch.testing.assert_close(density.cholesky, whole.cholesky)
    torch.testing.assert_close(density.means, whole.means)


def test_moments_that_do_not_fit_are_refused():
    moments = StreamingMoments(2, 3)
    for density in (
        ClassConditionalGaussian(2, 4, "oas"),
        ClassConditionalGaussian(3, 3, "oas"),
        ClassConditionalGaussian(2, 3, "oas", tied=False),
    ):
        with pytest.raises(ConfigError, match=r"got \(2, 3\), tied=True"):
            density.fit_moments(moments)
    with pytest.raises(ConfigError, match="needs all texts at once"):
        ClassConditionalGaussian(2, 3).fit_moments(moments)
    with pytest.raises(ConfigError, match=r"scatter \(3, 3\)"):
        moments.merge(StreamingMoments(2, 3, tied=False))
    with pytest.raises(ShapeError, match=r"\(n, 3\)"):
        moments.update(torch.zeros(2, 4), torch.zeros(2).long())
    with pytest.raises(DataError, match="first is -1"):
        moments.update(torch.zeros(2, 3), torch.tensor([0, -1]))
