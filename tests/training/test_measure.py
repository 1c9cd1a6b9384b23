import math
from dataclasses import replace

import pytest
import torch

from tests.conftest import toy_examples
from vos.density import FeatureQueue
from vos.metrics.boundary import band_width
from vos.metrics.margins import margin
from vos.training.measure import measure


def test_the_band_is_set_once_and_kept_after(job):
    first = measure(job, 0, None)
    assert first.band == band_width(margin(first.val.logits, (1,)), job.settings.refine.band_share)
    assert first.metrics["boundary/band"] == first.band
    assert measure(job, 1, 0.125).metrics["boundary/band"] == 0.125


def test_the_density_and_the_memory_hold_the_features_of_the_classifier_as_it_is(job):
    found = measure(job, 0, None)
    texts = [example.text for example in job.data.train]
    features = job.featurizers.current().featurize(texts).features
    assert torch.equal(job.module.memory.contents()[0], features)
    labels = torch.tensor([example.label for example in job.data.train])
    means = torch.stack([features[labels == c].double().mean(0) for c in (0, 1)])
    torch.testing.assert_close(job.module.density.means.double(), means, rtol=1e-5, atol=1e-6)
    assert all(math.isfinite(value) for value in found.metrics.values())


def test_no_feature_of_a_training_step_stays_in_a_queue_with_room_left(job):
    """A round 0 from the cache has none, and the rounds after it must be the same."""
    queue = job.module.memory = FeatureQueue(2, 16, capacity=100)
    queue.push(torch.ones(30, 16), torch.arange(30) % 2, torch.arange(30))
    measure(job, 0, None)
    features = job.featurizers.current().featurize([example.text for example in job.data.train]).features
    labels = torch.tensor([example.label for example in job.data.train])
    assert torch.equal(queue.contents()[0], torch.cat([features[labels == c] for c in (0, 1)]))


@pytest.mark.parametrize("number", [0, 1])
def test_a_measurement_repeats_itself_and_another_round_draws_other_outliers(job, number):
    first, again, other = (measure(job, n, 1.0) for n in (number, number, number + 1))
    assert first.metrics == again.metrics
    assert torch.equal(first.outliers.margins, again.outliers.margins)
    assert not torch.equal(first.outliers.margins, other.outliers.margins)


def test_without_a_sampler_nothing_is_said_of_outliers(job):
    everything = set(measure(job, 0, None).metrics)
    job.module.sampler = None
    found = measure(job, 0, None)
    assert found.outliers is None
    said = ("energy_auroc", "distance_median", "mahalanobis_median", "extrapolated_share")
    expected = {"boundary/infeasible_share", *(f"boundary/outlier_{name}" for name in said)}
    assert everything - set(found.metrics) == expected


def nearest(rows, bank):
    rows, bank = (each.double() / each.double().norm(dim=1, keepdim=True) for each in (rows, bank))
    return torch.stack([(bank - row).norm(dim=1).min() for row in rows])


def test_the_sum_with_the_initial_encoder_is_scaled_on_validation_texts(job):
    """Against sums worked out here; scaled on the test texts they would differ, and so would the figures."""
    job = replace(job, data=replace(job.data, test=toy_examples(40, "w", 40)[:3], ood=toy_examples(40, "o", 60)))
    found = measure(job, 0, None).metrics
    featurizer = job.featurizers.current()
    parts = {}
    for name in ("train", "val", "test", "ood"):
        batch = featurizer.featurize([each.text for each in getattr(job.data, name)])
        parts[name] = (-batch.logits.double().logsumexp(-1), batch.features)
    near = {name: nearest(features, parts["train"][1]) for name, (_, features) in parts.items()}

    def total(name, scale):
        return sum(
            (own - of_scale.mean()) / of_scale.std(correction=0)
            for own, of_scale in ((parts[name][0], parts[scale][0]), (near[name], near[scale]))
        )

    def auroc(scale):
        inside, outside = total("test", scale), total("ood", scale)
        return float((outside[:, None] > inside).double().mean())

    assert auroc("test") != auroc("val")
    assert found["ood/energy_and_initial_knn/auroc"] == pytest.approx(auroc("val"), abs=1e-9)


def test_the_sum_is_left_out_where_the_scale_would_be_that_of_what_is_reported_on(job):
    job = replace(job, data=replace(job.data, test=[], ood=toy_examples(6, "o", 60)))
    names = measure(job, 0, None).metrics
    assert "ood/initial_knn/auroc" in names
    assert not any("energy_and_initial_knn" in name for name in names)


def test_the_share_that_is_called_harmful_is_told_by_kind(job):
    kinds = [
        replace(each, group=("reviews", "city news")[i % 3 == 0]) for i, each in enumerate(toy_examples(9, "o", 60))
    ]
    found = measure(replace(job, data=replace(job.data, ood=kinds)), 0, None).metrics
    logits = job.featurizers.current().featurize([each.text for each in kinds]).logits
    called = (logits[:, 1] > logits[:, 0]).tolist()
    assert found["ood/called_harmful"] == pytest.approx(sum(called) / 9)
    assert found["ood/called_harmful/city_news"] == pytest.approx(sum(called[::3]) / 3)
    assert found["ood/called_harmful/reviews"] == pytest.approx((sum(called) - sum(called[::3])) / 6)
    many = [replace(each, group=f"author {i}") for i, each in enumerate(kinds)]
    names = measure(replace(job, data=replace(job.data, ood=many)), 0, None).metrics
    assert [name for name in names if name.startswith("ood/called_harmful")] == ["ood/called_harmful"]
