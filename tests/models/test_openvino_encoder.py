"""An encoder in OpenVINO: torch's features up to rounding, in the requested precision; errors if unsupported."""

import sys

import pytest
import torch

from tests.models.families import write_family
from vos.errors import ConfigError, ModelError
from vos.models import ClassifierFeaturizer, EncoderClassifier, PretrainedClassifier
from vos.models.precision import multiplies_bfloat16

NAMES = ("harmless", "harmful")
TEXTS = [f"{'the ladder fell ' * (n % 7 + 1)} on day {n}" for n in range(40)]


def openvino_encoder(*arguments):
    pytest.importorskip("openvino")
    from vos.models.openvino_encoder import OpenVinoEncoder

    return OpenVinoEncoder(*arguments)


@pytest.fixture(scope="module", params=["encoder", "cls", "pretrained"])
def classifier(request, tiny_encoder, tiny_classifier):
    if request.param == "pretrained":
        return PretrainedClassifier(tiny_classifier, NAMES, max_length=30)
    return EncoderClassifier(tiny_encoder, NAMES, max_length=30, pooling="cls" if request.param == "cls" else "mean")


def test_float32_gives_the_features_of_torch(classifier):
    encode = openvino_encoder(classifier, False, 2)
    exact = ClassifierFeaturizer(classifier, max_tokens=100).featurize(TEXTS)
    for workers in (1, 2):
        found = ClassifierFeaturizer(classifier, max_tokens=100, n_workers=workers, encode=encode).featurize(TEXTS)
        torch.testing.assert_close(found.features, exact.features, atol=1e-5, rtol=1e-4)
    assert found.features.dtype == torch.float32


def test_the_precision_is_the_one_asked_for(classifier):
    """Also float32, where OpenVINO would take bfloat16 by itself."""
    exact = ClassifierFeaturizer(classifier).featurize(TEXTS).features
    off = {}
    for bfloat16 in (False, True):
        encode = openvino_encoder(classifier, bfloat16)
        found = ClassifierFeaturizer(classifier, encode=encode).featurize(TEXTS).features
        off[encode.compiled_precision] = float((found - exact).abs().max())
    assert off["f32"] < 1e-5
    if multiplies_bfloat16():
        assert 10 * off["f32"] < off["bf16"] < 0.1


def test_the_classifier_stays_as_it_is(classifier):
    classifier.train()
    openvino_encoder(classifier)
    assert all(module.training for module in classifier.modules())


def test_without_the_package_one_line_says_what_to_install(tiny_encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    from vos.models.openvino_encoder import OpenVinoEncoder

    classifier = EncoderClassifier(tiny_encoder, NAMES)
    with pytest.raises(ConfigError, match=r"runtime=openvino needs the package openvino .*\[openvino\]"):
        OpenVinoEncoder(classifier)


def test_what_openvino_cannot_take_is_said_in_one_line(tmp_path):
    write_family(tmp_path, "bart")
    classifier = PretrainedClassifier(str(tmp_path), NAMES)
    with pytest.raises(ModelError, match="runtime=openvino") as caught:
        openvino_encoder(classifier)
    assert "\n" not in str(caught.value)
    assert "runtime=torch" in str(caught.value)


def test_other_features_are_found_out(classifier, monkeypatch):
    """A model whose trace is of one shape alone gives other features for another."""
    encode = classifier.encode

    def of_one_shape(batch):
        return encode(batch) * float(batch["input_ids"].shape[1])

    monkeypatch.setattr(classifier, "encode", of_one_shape)
    with pytest.raises(ModelError, match="gives other features once converted"):
        openvino_encoder(classifier)
