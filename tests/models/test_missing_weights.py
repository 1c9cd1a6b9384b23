import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from vos.models import EncoderClassifier, PretrainedClassifier

NAMES = ("harmless", "harmful")


def without(folder, target, *starts):
    """A copy of a model that lacks the weights whose names hold one of these."""
    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not any(start in name for start in starts)}
    save_file(kept, target / "model.safetensors", {"format": "pt"})
    return str(target), len(weights) - len(kept)


def test_an_encoder_that_lacks_a_layer_is_told_and_a_whole_one_is_not(tiny_encoder, tmp_path, caplog):
    EncoderClassifier(tiny_encoder, NAMES, max_length=32)
    assert "weights of the encoder" not in caplog.text
    path, n = without(Path(tiny_encoder), tmp_path / "cut", "encoder.layer.1.")
    EncoderClassifier(path, NAMES, max_length=32)
    assert f"model.name={path}: {n} weights of the encoder are not in its files and start at random" in caplog.text
    assert "the first: encoder.layer.1.attention" in caplog.text


@pytest.mark.parametrize(("starts", "told"), [(("classifier.",), False), (("classifier.", "layer.0.output"), True)])
def test_a_classifier_may_lack_its_head_alone(tiny_classifier, tmp_path, caplog, starts, told):
    path, _ = without(Path(tiny_classifier), tmp_path / "cut", *starts)
    assert PretrainedClassifier(path, NAMES, max_length=32).head_is_new
    assert ("weights of the encoder are not in its files" in caplog.text) is told
