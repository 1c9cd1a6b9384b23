"""Validation texts calibrate the radii in training and after each round; the test split measures the calibration."""

import json
import logging

import pytest
import torch

from tests.contracts import toy_density
from tests.training.modules import build, fit
from vos.density import ClassConditionalGaussian, FeatureBank, GaussianDensity
from vos.outliers import TailSampler
from vos.training.held_out import calibrate_within_fit, calibration_facts, distance_metrics, outlier_metrics
from vos.training.loop import refine, save_results
from vos.training.measure import measure


def features_of(job, examples):
    found = job.featurizers.current().featurize([e.text for e in examples]).features.double()
    return found, torch.tensor([e.label for e in examples])


def test_each_epoch_calibrates_on_the_features_of_its_validation_pass(tiny_encoder, monkeypatch):
    module, seen = build(tiny_encoder), []
    real = GaussianDensity.calibrate

    def calibrate(density, features, labels):
        seen.append((features, labels, module.current_epoch))
        return real(density, features, labels)

    monkeypatch.setattr(GaussianDensity, "calibrate", calibrate)
    trainer = fit(module, epochs=2)
    assert [epoch for *_, epoch in seen] == [0, 1]
    module.eval()
    with torch.no_grad():
        last = [(module(batch)[0], batch["labels"]) for batch in trainer.datamodule.val_dataloader()]
    for found, expected in zip(seen[-1], zip(*last, strict=True), strict=False):
        torch.testing.assert_close(found, torch.cat(expected))
    assert len(module.density.held_out) == 8


@pytest.mark.parametrize(("loss", "start_epoch", "expected"), [(None, 0, 0), ("energy", 2, 0), ("energy", 1, 8)])
def test_only_an_epoch_before_one_that_draws_pays_for_it(tiny_encoder, loss, start_epoch, expected):
    module = build(tiny_encoder, loss=loss, start_epoch=start_epoch)
    fit(module, epochs=1)
    assert len(module.density.held_out) == expected
    assert module.density.is_fitted == (expected > 0)


def test_until_the_first_validation_pass_the_radii_are_chi_square_and_the_log_says_so(tiny_encoder, caplog):
    module = build(tiny_encoder)
    with caplog.at_level(logging.WARNING, logger="vos.density.radii"):
        fit(module, epochs=2)
    assert [r.message for r in caplog.records if r.name == "vos.density.radii"] == [
        "nothing is held out for this density: its distances are chi-square quantiles, which texts that it was not "
        "fitted to exceed; give it such texts by calibrate(features, labels)"
    ]


def test_a_density_without_texts_to_fit_stays_as_it_is(caplog):
    density = ClassConditionalGaussian(2, 3)
    with caplog.at_level(logging.INFO, logger="vos.training.held_out"):
        calibrate_within_fit(density, FeatureBank(4, 3), torch.zeros(2, 3), torch.arange(2), refit=True)
    assert not density.is_fitted
    assert "not calibrated in this epoch" in caplog.text


def test_a_measured_round_is_calibrated_on_validation_texts_and_judged_on_test_texts(job):
    job.module.sampler = TailSampler(distance=0.5)
    found, density = measure(job, 0, None), job.module.density
    (val, owners), (test, labels) = features_of(job, job.data.val), features_of(job, job.data.test)
    held = density.mahalanobis(val).gather(1, owners[:, None])[:, 0].sort().values
    torch.testing.assert_close(density.held_out * density.training_scale, held)
    # Eight validation texts: the quantile 0.5 lies between the fourth and the fifth, 0.9 and 0.99 beyond the last.
    squared = density.mahalanobis(test).gather(1, labels[:, None])[:, 0]
    middle = held[3] + 0.5 * (held[4] - held[3])
    assert found.metrics["boundary/test/beyond_0.5"] == float((squared > middle).double().mean())
    for q in (0.9, 0.99):
        beyond = float((squared > density.squared_radii(q, labels)).double().mean())
        assert found.metrics[f"boundary/test/beyond_{q}"] == beyond
    assert found.metrics["boundary/outlier_mahalanobis_median"] == pytest.approx(float(middle))
    assert found.metrics["boundary/outlier_distance_median"] == pytest.approx(0.5)
    assert found.metrics["boundary/outlier_extrapolated_share"] == 0.0
    torch.testing.assert_close(found.outliers.distances, torch.full_like(found.outliers.distances, 0.5))
    places = torch.arange(1, 9) / 9
    torch.testing.assert_close(found.texts.distances.sort().values, places.double())


def test_texts_of_classes_that_are_not_ready_are_not_counted():
    density = toy_density(3, 4)
    density.ready[2] = False
    far = density.means + 1e3
    assert distance_metrics(density, far, torch.arange(3)) == {f"beyond_{q}": 1.0 for q in (0.5, 0.9, 0.99)}
    assert distance_metrics(density, far[2:], torch.tensor([2])) == {}


@pytest.mark.parametrize(("distance", "expected"), [(0.5, "measured"), (0.88, "measured"), (0.9, "extrapolated")])
def test_a_run_says_whether_its_radii_were_measured(job, distance, expected):
    job.module.sampler = TailSampler(distance=distance)
    content = save_results(job, refine(job))
    assert content["calibration"] == {"held_out_texts": 8, "largest_measured": 8 / 9, "outliers": expected}
    assert json.loads(job.run.metrics_path.read_text())["calibration"] == content["calibration"]
    kept = GaussianDensity.load(job.run.density)
    assert torch.equal(kept.held_out, job.module.density.held_out)


def test_without_held_out_texts_and_outliers_there_is_nothing_to_say():
    assert calibration_facts(toy_density(), {}) == {"held_out_texts": 0, "largest_measured": None, "outliers": None}


def test_outliers_are_described_by_the_text_in_the_middle():
    density = toy_density(2, 4)
    density.calibrate(density.means.repeat(5, 1) + torch.arange(10)[:, None], torch.arange(10) % 2)
    held = density.held_out * density.training_scale
    found = outlier_metrics(density, held[-1] * torch.tensor([0.0, 1.0, 4.0]), torch.zeros(3, dtype=torch.int64))
    assert found["mahalanobis_median"] == pytest.approx(float(held[-1]))
    assert found["distance_median"] == pytest.approx(10 / 11)
    assert found["extrapolated_share"] == pytest.approx(1 / 3)
