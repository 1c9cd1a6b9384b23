from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from scipy import stats

from tests import oracles
from tests.contracts import toy_density, toy_features
from vos.density import (
    COVARIANCES,
    ClassConditionalGaussian,
    cholesky_with_jitter,
    empirical_covariance,
    gaussian,
    ledoit_wolf_covariance,
    load_density,
)
from vos.density.io import write_density
from vos.errors import ConfigError, DataError, InfeasibleError, NotFittedError, RunError, ShapeError

BOTH = pytest.mark.parametrize("tied", [True, False])


def covariances(density: ClassConditionalGaussian) -> np.ndarray:
    cov = density.cholesky @ density.cholesky.mT
    return (cov.expand(density.n_classes, -1, -1) if density.tied else cov).numpy()


@BOTH
def test_log_prob_equals_scipy(tied):
    density = toy_density(3, 5, tied)
    h = toy_features(4, 3, 5, seed=9)[0].double()
    for c, cov in enumerate(covariances(density)):
        expected = stats.multivariate_normal(density.means[c].numpy(), cov).logpdf(h.numpy())
        np.testing.assert_allclose(density.log_prob(h)[:, c], expected, rtol=1e-10)


@BOTH
def test_mahalanobis_equals_the_literal_form(tied):
    density = toy_density(3, 5, tied)
    h = toy_features(4, 3, 5, seed=9)[0].double()
    expected = oracles.naive_mahalanobis(h.numpy(), density.means.numpy(), covariances(density))
    np.testing.assert_allclose(density.mahalanobis(h), expected, rtol=1e-9)
    assert density.mahalanobis(density.means).diagonal().abs().max() == 0.0


def test_the_tied_covariance_pools_texts_around_their_own_means():
    features, labels = toy_features(20, 3, 4)
    density = ClassConditionalGaussian(3, 4, "empirical").fit(features, labels)
    centered = features.double() - torch.stack([features[labels == c].double().mean(0) for c in range(3)])[labels]
    torch.testing.assert_close(density.cholesky @ density.cholesky.mT, empirical_covariance(centered))
    assert density.counts.tolist() == [20, 20, 20]
    assert float(density.jitter) == 0.0


@pytest.mark.parametrize("covariance", ["empirical", "ledoit_wolf", "oas"])
def test_the_estimate_is_told_how_many_texts_each_class_has(covariance):
    features, labels = toy_features(20, 4, 12)
    keep = torch.arange(80) % 20 < torch.tensor([2, 5, 20, 1])[labels]  # the class of one text is left out
    features, labels = features[keep].double(), labels[keep]
    density = ClassConditionalGaussian(4, 12, covariance).fit(features, labels)
    rows = torch.cat([features[labels == c] - features[labels == c].mean(0) for c in range(3)])
    expected = COVARIANCES[covariance](rows, torch.tensor([2] * 2 + [5] * 5 + [20] * 20))
    torch.testing.assert_close(density.cholesky @ density.cholesky.mT, expected)


@BOTH
def test_the_order_of_texts_and_of_classes_changes_nothing(tied):
    features, labels = toy_features(5, 3, 12)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    density = ClassConditionalGaussian(3, 12, tied=tied).fit(features, labels)
    shuffled = ClassConditionalGaussian(3, 12, tied=tied).fit(features[order], labels[order])
    torch.testing.assert_close(shuffled.log_prob(features), density.log_prob(features), rtol=1e-10, atol=1e-10)
    renamed = ClassConditionalGaussian(3, 12, tied=tied).fit(features, (labels + 1) % 3)
    torch.testing.assert_close(
        renamed.log_prob(features)[:, [1, 2, 0]], density.log_prob(features), rtol=1e-10, atol=1e-10
    )


def test_per_class_covariances_are_each_their_own():
    features, labels = toy_features(20, 3, 4)
    density = ClassConditionalGaussian(3, 4, "ledoit_wolf", tied=False).fit(features, labels)
    for c in range(3):
        own = features[labels == c].double()
        expected = ledoit_wolf_covariance(own - own.mean(0))
        torch.testing.assert_close(density.cholesky[c] @ density.cholesky[c].mT, expected)


@BOTH
def test_distances_do_not_depend_on_the_coordinates(tied):
    # Only the unshrunk estimate is affine invariant: shrinkage has a favourite basis.
    features, labels = toy_features(30, 3, 4)
    h = toy_features(3, 3, 4, seed=5)[0]
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(4, 4, generator=generator).double() + 3 * torch.eye(4), torch.tensor([100.0, 0.0, -5.0, 2.0])
    plain = ClassConditionalGaussian(3, 4, "empirical", tied).fit(features, labels).mahalanobis(h)
    mapped = ClassConditionalGaussian(3, 4, "empirical", tied).fit(features.double() @ a.mT + b, labels)
    torch.testing.assert_close(mapped.mahalanobis(h.double() @ a.mT + b), plain, rtol=1e-8, atol=1e-8)


@BOTH
def test_a_batch_equals_its_rows_and_float32_its_float64(tied):
    density = toy_density(3, 6, tied)
    h = toy_features(4, 3, 6, seed=3)[0]
    whole = density.log_prob(h)
    assert whole.dtype == torch.float64
    torch.testing.assert_close(torch.cat([density.log_prob(row[None]) for row in h]), whole)
    torch.testing.assert_close(density.log_prob(h.double()), whole)


@BOTH
def test_distances_of_draws_follow_the_chi_square_law(tied, generator):
    # n = 4,000 draws a class of d = 6: the mean of d² is 6 with standard error sqrt(12 / 4000) = 0.055; 5 sigma fail
    # once in 1.7 million. The KS bound at n = 4,000 is for a failure rate of 1e-6.
    density = toy_density(2, 6, tied)
    h, labels = density.sample(4000, generator)
    assert labels.tolist() == [0] * 4000 + [1] * 4000
    for c in range(2):
        squared = density.mahalanobis(h[labels == c])[:, c]
        assert abs(float(squared.mean()) - 6.0) < 5 * 0.055
        bound = math.sqrt(-0.5 * math.log(1e-6 / 2) / 4000)
        assert stats.kstest(squared.numpy(), stats.chi2(6).cdf).statistic < bound


@BOTH
def test_refitting_on_draws_finds_the_parameters_again(tied, generator):
    # n = 20,000 a class: entries of mean and covariance have standard errors of about 0.01 and 0.02 sigma.
    truth = toy_density(2, 3, tied)
    found = ClassConditionalGaussian(2, 3, "empirical", tied).fit(*truth.sample(20_000, generator))
    torch.testing.assert_close(found.means, truth.means, rtol=0.0, atol=0.1)
    truth_cov, found_cov = covariances(truth), covariances(found)
    np.testing.assert_allclose(found_cov, truth_cov, atol=0.1 * truth_cov.diagonal(axis1=1, axis2=2).max())


@BOTH
def test_whiten_and_color_are_inverse_and_pull_back_is_the_transpose(tied):
    density = toy_density(3, 6, tied)
    h, labels = toy_features(3, 3, 6, seed=4)
    z = density.whiten(h, labels)
    torch.testing.assert_close(density.color(z, labels), h.double())
    own = density.mahalanobis(h).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(z.square().sum(-1), own)
    w = torch.linspace(-1, 1, 6, dtype=torch.float64)[None]
    for c in range(3):
        along = density.pull_back(w, c)[0] @ z[labels == c].mT
        torch.testing.assert_close(along, (h.double() - density.means[c])[labels == c] @ w[0])


@BOTH
@pytest.mark.parametrize("covariance", ["ledoit_wolf", "oas", "empirical"])
def test_fewer_texts_than_features_and_a_class_of_two(tied, covariance):
    # 100 texts of class 0 and 2 of class 1; d = 160.
    features, labels = toy_features(100, 2, 160)
    rows = torch.arange(200) < 102
    density = ClassConditionalGaussian(2, 160, covariance, tied).fit(features[rows], labels[rows])
    assert density.ready.tolist() == [True, True]
    assert density.counts.tolist() == [100, 2]
    assert torch.isfinite(density.log_prob(features)).all()
    assert (float(density.jitter) > 0.0) == (covariance == "empirical")


@pytest.mark.parametrize("covariance", ["ledoit_wolf", "oas"])
def test_new_texts_lie_where_they_should_for_classes_of_100_and_2(covariance, generator):
    # d = 2,048, standard deviations between 0.5 and 1.5. New texts of a class of m lie at M/d = 1 + 1/m around its
    # fitted mean, so both classes are divided by that. Over seeds the two values are 1.02 and 1.01 with standard
    # deviations of 0.008 and 0.011: the bounds are more than 9 of them away.
    d = 2048
    deviations = torch.linspace(0.5, 1.5, d, dtype=torch.float64)
    labels = torch.tensor([0] * 100 + [1] * 2)
    truth = 3.0 * torch.randn(2, d, dtype=torch.float64, generator=generator)
    noise = torch.randn(202, d, dtype=torch.float64, generator=generator) * deviations
    density = ClassConditionalGaussian(2, d, covariance).fit(truth[labels] + noise[:102], labels)
    for c, m in enumerate([100, 2]):
        new = truth[c] + noise[102 + 50 * c : 152 + 50 * c]
        assert 0.9 < float(density.mahalanobis(new)[:, c].mean()) / d / (1 + 1 / m) < 1.2, c
    assert float(density.jitter) == 0.0


def test_the_jitter_of_a_density_is_the_largest_of_its_classes():
    # Two texts at d = 4 span one direction: their own covariance needs jitter, and that of 40 texts none.
    features, labels = toy_features(40, 3, 4)
    few = (labels != 1) | (torch.arange(120) < 42)
    density = ClassConditionalGaussian(3, 4, "empirical", tied=False).fit(features[few], labels[few])
    pair = features[40:42].double()
    expected = cholesky_with_jitter(empirical_covariance(pair - pair.mean(0)))[1]
    assert expected > 0.0
    assert float(density.jitter) == pytest.approx(expected, rel=1e-9)  # also where the last class needs none
    assert float(density.fit(features, labels).jitter) == 0.0
    tied = ClassConditionalGaussian(3, 4, "empirical").fit(features[40:42], labels[40:42])
    assert float(tied.jitter) == pytest.approx(expected, rel=1e-9)
    assert float(tied.fit(features, labels).jitter) == 0.0


def test_a_class_without_two_texts_is_left_out_and_named(caplog):
    features, labels = toy_features(10, 3, 4)
    rows = (labels != 2) | (torch.arange(30) == 20)
    density = ClassConditionalGaussian(3, 4)
    with caplog.at_level(logging.WARNING, "vos.density"):
        density.fit(features[rows], labels[rows])
        density.fit(features[rows], labels[rows])
    assert [record.getMessage() for record in caplog.records] == [
        "left out of the density, as they lack two different texts: class 2 (1 texts)"
    ]
    assert density.ready.tolist() == [True, True, False]
    assert density.counts.tolist() == [10, 10, 1]
    assert (density.means[2] == 0).all()
    assert torch.isinf(density.mahalanobis(features)[:, 2]).all()
    assert (density.log_prob(features)[:, 2] == -math.inf).all()
    without = ClassConditionalGaussian(2, 4).fit(features[labels != 2], labels[labels != 2])
    torch.testing.assert_close(density.mahalanobis(features)[:, :2], without.mahalanobis(features))


def test_a_long_list_of_classes_left_out_is_cut(caplog):
    features, labels = toy_features(2, 1, 3)
    with caplog.at_level(logging.WARNING, "vos.density"):
        ClassConditionalGaussian(20, 3).fit(features, labels)
    assert caplog.records[0].getMessage().endswith("class 10 (0 texts) and 9 more")


@pytest.mark.parametrize("n", [3, 9])
def test_identical_texts_have_no_covariance_of_their_own(n):
    features = torch.tensor([[0.1, 0.7]], dtype=torch.float64).repeat(2 * n, 1)
    assert bool((features[:n] != features[:n].mean(0)).all()), "0.1 and 0.7 are their own means: this tests nothing"
    features[n:] += torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1]).repeat_interleave(n)
    per_class = ClassConditionalGaussian(2, 2, tied=False).fit(features, labels)
    assert per_class.ready.tolist() == [False, True]
    assert torch.equal(per_class.cholesky[0], torch.eye(2, dtype=torch.float64))
    tied = ClassConditionalGaussian(2, 2).fit(features, labels)
    assert tied.ready.tolist() == [True, True]
    for kind in (True, False):
        with pytest.raises(NotFittedError, match=f"class 0: {n}"):
            ClassConditionalGaussian(2, 2, tied=kind).fit(features[:n], labels[:n])


def test_a_fit_without_a_ready_class_keeps_the_former_one():
    density = toy_density(3, 4)
    before = {name: value.clone() for name, value in density.state_dict().items()}
    with pytest.raises(NotFittedError, match="at least 2 different texts"):
        density.fit(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.arange(3))
    assert all(torch.equal(before[name], value) for name, value in density.state_dict().items())


def test_a_refit_forgets_the_former_fit():
    density = toy_density(3, 4, tied=False)
    features, labels = toy_features(10, 2, 4, seed=8)
    density.fit(features, labels)
    fresh = ClassConditionalGaussian(3, 4, tied=False).fit(features, labels)
    for name, value in density.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


def test_the_state_travels_and_keeps_its_precision(tmp_path):
    density = toy_density(3, 4, tied=False)
    h = toy_features(2, 3, 4)[0]
    expected = density.log_prob(h)
    parent = torch.nn.Sequential(density, torch.nn.Linear(2, 2)).half().to(torch.bfloat16)
    assert parent[1].weight.dtype == torch.bfloat16
    assert density.means.dtype == density.cholesky.dtype == torch.float64
    assert torch.equal(density.log_prob(h), expected)

    other = ClassConditionalGaussian(3, 4, tied=False)
    other.load_state_dict(density.state_dict())
    assert torch.equal(other.log_prob(h), expected)

    path = tmp_path / "density.safetensors"
    density.save(path)
    loaded = ClassConditionalGaussian.load(str(path))
    assert torch.equal(loaded.log_prob(h), expected)
    assert repr(loaded) == ("ClassConditionalGaussian(n_classes=3, n_features=4, covariance=ledoit_wolf, tied=False)")
    content = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["density.safetensors"]


def test_the_meta_device_is_passed_through():
    assert ClassConditionalGaussian(2, 3).to("meta").means.is_meta


def test_files_that_are_no_density_are_refused(tmp_path):
    missing = tmp_path / "none.safetensors"
    with pytest.raises(RunError, match=r"none\.safetensors"):
        ClassConditionalGaussian.load(missing)
    save_file({"x": torch.zeros(1)}, path := tmp_path / "other.safetensors")
    with pytest.raises(RunError, match="expected a density file"):
        ClassConditionalGaussian.load(path)
    path.write_bytes(b"half a file")
    with pytest.raises(RunError, match="expected a density file"):
        ClassConditionalGaussian.load(path)
    toy_density(2, 3).save(path)
    with safe_open(path, framework="pt") as file:
        settings = json.loads(file.metadata()["vos_density"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del settings["seal"]
    save_file(tensors, path, metadata={"vos_density": json.dumps({**settings, "format_version": 99})})
    with pytest.raises(RunError, match="found 99"):
        ClassConditionalGaussian.load(path)
    save_file(tensors, path, metadata={"vos_density": json.dumps({**settings, "n_features": 4})})
    with pytest.raises(RunError, match="size mismatch"):
        ClassConditionalGaussian.load(path)
    save_file(tensors, path, metadata={"vos_density": json.dumps({**settings, "kind": "Mixture"})})
    with pytest.raises(RunError, match="kind ClassConditionalGaussian or LowRankGaussian, found Mixture"):
        load_density(path)


def test_a_file_that_does_not_name_its_kind_is_of_the_first_kind(tmp_path):
    density = toy_density(2, 3)
    write_density(tmp_path / "old.safetensors", dict(density.named_buffers()), density.settings())
    assert torch.equal(load_density(tmp_path / "old.safetensors").means, density.means)


@pytest.mark.parametrize("tied", [True, False])
def test_the_covariance_within_the_classes_is_the_mean_over_their_texts(tied):
    features, labels = toy_features(20, 3, 4)
    keep = (labels != 1) | (torch.arange(len(labels)) == 20)  # one text of class 1: it is left out
    features, labels = features[keep][: len(labels) - 9], labels[keep][: len(labels) - 9]  # and classes of two sizes
    density = ClassConditionalGaussian(3, 4, "empirical", tied=tied).fit(features, labels)
    rows = torch.cat([features[labels == c].double() - features[labels == c].double().mean(0) for c in (0, 2)])
    torch.testing.assert_close(density.within_class_covariance(), rows.mT @ rows / len(rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_classes": 2, "n_features": 3, "covariance": "robust"}, "ledoit_wolf"),
        ({"n_classes": 0, "n_features": 3}, "one class"),
        ({"n_classes": 2, "n_features": 0}, "one feature"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ClassConditionalGaussian(**options)


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (torch.zeros(4, 2), torch.zeros(4).long(), ShapeError, r"\(n, 3\)"),
        (torch.zeros(4, 3).long(), torch.zeros(4).long(), ShapeError, "float features"),
        (torch.zeros(0, 3), torch.zeros(0).long(), ShapeError, "n >= 1"),
        (torch.zeros(4, 3), torch.zeros(3).long(), ShapeError, r"labels \(4,\)"),
        (torch.zeros(4, 3), torch.zeros(4), ShapeError, "int64"),
        (torch.zeros(4, 3), torch.tensor([0, 1, -1, 0]), DataError, "first is -1"),
        (torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), DataError, "first is 2"),
        (
            torch.tensor([[0.0], [1.0], [torch.nan], [torch.inf]]).repeat(1, 3),
            torch.zeros(4).long(),
            DataError,
            "row 2",
        ),
    ],
)
def test_data_that_cannot_be_fitted_is_refused(features, labels, error, message):
    with pytest.raises(error, match=message):
        ClassConditionalGaussian(2, 3).fit(features, labels)


def test_use_before_the_fit_and_wrong_features_are_refused(generator):
    density = ClassConditionalGaussian(2, 3)
    assert not density.is_fitted
    with pytest.raises(NotFittedError, match="call fit"):
        density.mahalanobis(torch.zeros(1, 3))
    with pytest.raises(NotFittedError, match="call fit"):
        density.sample(1, generator)
    with pytest.raises(ConfigError, match="n_per_class=0"):
        density.sample(0, generator)
    with pytest.raises(ShapeError, match=r"\(n, 3\)"):
        density.mahalanobis(torch.zeros(1, 4))


def test_distances_are_differentiable():
    density = toy_density(2, 4)
    h = toy_features(2, 2, 4)[0].double().requires_grad_()
    assert torch.autograd.gradcheck(density.mahalanobis, h)
    per_class = toy_density(2, 4, tied=False)
    assert torch.autograd.gradcheck(per_class.log_prob, h)


def test_a_class_that_cannot_be_factorised_leaves_the_density_as_it_was(monkeypatch):
    density = toy_density(3, 4, tied=False)
    before = {name: tensor.clone() for name, tensor in density.state_dict().items()}
    real, calls = gaussian.cholesky_with_jitter, iter((True, False))

    def fails_at_the_second(covariance):
        if next(calls):
            return real(2 * covariance)
        raise InfeasibleError("no factor")

    monkeypatch.setattr(gaussian, "cholesky_with_jitter", fails_at_the_second)
    with pytest.raises(InfeasibleError, match="no factor"):
        density.fit(*toy_features(9, 3, 4))
    assert all(torch.equal(tensor, before[name]) for name, tensor in density.state_dict().items())
