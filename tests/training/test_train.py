"""`train` on lists of texts."""

import json

import pytest
import torch
from hydra.utils import instantiate

from tests.conftest import toy_examples
from tests.schemas import of_file
from tests.training.modules import NAMES
from vos.cli.compose import composed
from vos.density import LowRankGaussian, load_density
from vos.errors import ConfigError, DataError, RunError
from vos.losses import BoundaryFlattening, EnergyUncertainty
from vos.models import load_classifier
from vos.outliers import BoundarySampler, TailSampler
from vos.storage.run_directory import RunDirectory
from vos.training.train import BAND, WEIGHT, train


def lists(n, start=0):
    examples = toy_examples(n, start=start)
    return [e.text for e in examples], [NAMES[e.label] for e in examples]


def trained(encoder, **options):
    settings = {"val": lists(8, 50), "label_names": NAMES, "model": encoder, "epochs": 1, "rounds": 1}
    return train(*lists(24), **(settings | {"sampler": TailSampler(distance=0.9)} | options))


def test_lists_of_texts_give_a_classifier_its_density_and_every_round(tiny_encoder):
    found = trained(tiny_encoder)
    assert found.classifier.label_names == NAMES
    assert not found.classifier.training
    assert found.density.is_fitted
    assert found.density.means.shape == (2, 16)
    assert [set(each) >= {"boundary/val/accuracy", "boundary/band"} for each in found.rounds] == [True, True]
    assert "boundary/shift" in found.rounds[1]
    again = trained(tiny_encoder)
    assert again.rounds == found.rounds
    assert again.classifier.fingerprint() == found.classifier.fingerprint()
    assert trained(tiny_encoder, seed=1).classifier.fingerprint() != found.classifier.fingerprint()


def test_a_run_that_is_kept_holds_the_same_and_is_not_run_twice(tiny_encoder, tmp_path):
    found = trained(tiny_encoder, rounds=0, output=tmp_path)
    run = RunDirectory(tmp_path)
    assert run.open_finished()["model_hash"] == found.classifier.fingerprint()
    assert load_classifier(run.model).fingerprint() == found.classifier.fingerprint()
    assert torch.equal(load_density(run.density).means, found.density.means)
    assert json.loads(run.metrics_path.read_text())["final"] == found.rounds[-1]
    assert of_file("manifest", run.manifest_path) + of_file("metrics", run.metrics_path) == []
    with pytest.raises(RunError, match="expected a new or an interrupted run, found a finished one"):
        trained(tiny_encoder, rounds=0, output=tmp_path)
    with pytest.raises(RunError, match="config_hash"):
        trained(tiny_encoder, rounds=0, seed=1, output=tmp_path)
    with pytest.raises(RunError, match="config_hash"):
        trained(tiny_encoder, rounds=0, output=tmp_path, loss=EnergyUncertainty(2))


def test_parts_of_ones_own_take_the_place_of_the_usual_ones(tiny_encoder):
    density, loss = LowRankGaussian(2, 16, 3), EnergyUncertainty(2)
    before = {name: p.detach().clone() for name, p in loss.named_parameters()}
    drawn = []

    def sampler(*arguments):
        drawn.append(arguments[2])
        return TailSampler(distance=0.5)(*arguments)

    found = trained(tiny_encoder, density=density, sampler=sampler, loss=loss)
    assert found.density is density
    assert len(drawn) > 2
    assert any(not torch.equal(p, before[name]) for name, p in loss.named_parameters())


def test_validation_texts_are_taken_from_the_texts_and_names_from_the_labels(tiny_encoder):
    texts, labels = lists(40)
    found = train(texts, labels, val=0.2, model=tiny_encoder, epochs=1, rounds=0)
    assert found.classifier.label_names == ("harmless", "harmful")
    assert found.classifier.harmful == (1,)
    places = [NAMES.index(name) for name in labels]
    numbered = train(
        texts, places, label_names=NAMES, positive="harmless", val=0.2, model=tiny_encoder, epochs=1, rounds=0
    )
    assert (numbered.classifier.label_names, numbered.classifier.harmful) == (NAMES, (0,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": 0}, "expected positive shares"),
        ({"rounds": -1}, "refine: expected rounds >= 0"),
        ({"epochs": 0}, "this head has random weights"),
    ],
)
def test_settings_that_cannot_work_are_one_line(tiny_encoder, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        trained(tiny_encoder, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["harmless"] * 23}, "texts: expected a label for every text, found 24 texts and 23 labels"),
        ({"labels": ["harmless"] * 24}, "texts: expected texts of at least two classes, found one class only"),
        ({"labels": ["harmless", "evil"] * 12}, r"texts\[1\]: expected a label of .*, found 'evil'"),
        ({"texts": ["a", " "] * 12}, r"texts\[1\]: found white space only, expected a text"),
        ({"texts": ["a", None] * 12}, r"texts\[1\]: found a NoneType, expected a text"),
        ({"val": (["a"], [])}, "val: expected a label for every text, found 1 texts and 0 labels"),
    ],
)
def test_lists_that_cannot_be_used_are_one_line(tiny_encoder, changes, message):
    texts, labels = lists(24)
    given = {"texts": texts, "labels": labels, "val": lists(8, 50)} | changes
    with pytest.raises(DataError, match=message) as caught:
        train(**given, label_names=NAMES, model=tiny_encoder)
    assert "\n" not in str(caught.value)


def test_the_usual_parts_are_those_of_the_configuration():
    config = composed("train")
    assert (config.outliers.band, config.loss.settings.weight) == (BAND, WEIGHT)
    assert isinstance(instantiate(config.loss.module)(n_classes=2), BoundaryFlattening)
    assert type(instantiate(config.outliers)) is BoundarySampler
