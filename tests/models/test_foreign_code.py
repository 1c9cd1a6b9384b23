"""Untrusted model folders: their code and pickles are not run, and there is no prompt to allow it."""

import json
from pathlib import Path

import pytest
import torch

from tests.models.families import write_family
from vos.errors import ModelError
from vos.generation.language_model import LanguageModel
from vos.models import EncoderClassifier, PretrainedClassifier

NAMES = ("harmless", "harmful")
LOADERS = [
    lambda name: EncoderClassifier(name, NAMES),
    lambda name: PretrainedClassifier(name, NAMES),
    lambda name: LanguageModel.load(name, dtype="float32"),
]


class Payload:
    """Written into a pickle, it is a call of a function: whoever loads the pickle makes the file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """The file that must not be written; nobody can be asked either."""

    def ask(*_):
        raise AssertionError("a question to the user")

    monkeypatch.setattr("builtins.input", ask)
    return tmp_path / "evil"


def refused(load, folder):
    with pytest.raises(ModelError) as caught:
        load(str(folder))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("kind", ["evil", "bert"])
def test_code_in_a_model_folder_is_not_run(load, kind, evil, tmp_path):
    folder = tmp_path / "model"
    write_family(folder, "bert")
    (folder / "evil.py").write_text(f"open({str(evil)!r}, 'w')\n")
    classes = dict.fromkeys(
        ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoModelForCausalLM"), "evil.Model"
    )
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        content |= {"auto_map": classes | {"AutoTokenizer": ["evil.Model", None]}, "tokenizer_class": "EvilTokenizer"}
        content |= {"model_type": kind} if name == "config.json" else {}
        (folder / name).write_text(json.dumps(content))
    if kind == "evil":
        assert "custom code" in refused(load, folder)
    else:
        try:  # transformers' own class of this kind, or a refusal
            load(str(folder))
        except ModelError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - one of two good outcomes
    assert not evil.exists()


@pytest.mark.parametrize("load", LOADERS[:2])
def test_a_pickle_in_place_of_safetensors_is_not_run(load, evil, tmp_path):
    folder = tmp_path / "model"
    weights = write_family(folder, "bert").state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    load(str(folder))  # weights alone, as older models have them
    torch.save({**weights, "x": Payload(evil)}, folder / "pytorch_model.bin")
    assert "cannot load" in refused(load, folder)
    assert not evil.exists()


@pytest.mark.parametrize("name", ["../../x", "../../../etc", "/nowhere/at/all", "a\0b", "x" * 5000, "a/../../b", "~/x"])
@pytest.mark.parametrize("load", LOADERS)
def test_a_name_that_is_no_name_is_one_line(load, name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    refused(load, name)
    assert list(tmp_path.iterdir()) == []
