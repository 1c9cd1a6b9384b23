"""Unusable models and tokenizers are refused when they are loaded, in one line."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from tests.models.families import SPECIAL, VOCABULARY, word_tokenizer, write_family
from vos.errors import ConfigError, ModelError
from vos.models import EncoderClassifier, PretrainedClassifier, load_classifier
from vos.models.loading import saved_classes, saved_harmful

NAMES = ("harmless", "harmful")
CLASSIFIERS = [EncoderClassifier, PretrainedClassifier]


def refused(classifier, folder, error=ModelError, **options):
    """What is said, which is one line."""
    with pytest.raises(error) as caught:
        classifier(str(folder), NAMES, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_facts_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"vos\.json: expected a model folder written by this package"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("facts", [{"format_version": 99, "kind": "encoder"}, {"format_version": 1, "kind": "other"}])
def test_another_version_or_kind_is_refused(tmp_path, facts):
    (tmp_path / "vos.json").write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="expected format_version 1 and kind in"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{", '{"format_version": 1, "kind": "encoder"}'])
def test_facts_that_are_not_whole_are_refused(tmp_path, content):
    (tmp_path / "vos.json").write_text(content)
    with pytest.raises(ModelError, match=r"vos\.json: (label_names: )?expected"):
        load_classifier(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label_names": "no, yes"}, "label_names: expected a list of different names"),
        ({"label_names": ["no", "no"]}, "label_names: expected a list of different names"),
        ({"label_names": ["no", "maybe"]}, "harmful: expected some of ['no', 'maybe'], found ['yes']"),
        ({"harmful": 1}, "harmful: expected a list of different names"),
        ({"harmful": [["yes"]]}, "harmful: expected a list of different names"),
        ({"data_classes": ["no", "yes"]}, "class_of_output: expected for each of 2 outputs the index of one of 2"),
        ({"data_classes": ["no", "yes"], "class_of_output": [0, 2]}, "class_of_output: expected"),
        ({"data_classes": ["no", "yes"], "class_of_output": [0]}, "class_of_output: expected"),
        ({"data_classes": ["no", None], "class_of_output": [0, 1]}, "data_classes: expected a list of different"),
    ],
)
def test_names_that_do_not_fit_each_other_are_refused_wherever_they_are_read(tmp_path, changed, message):
    facts = {"format_version": 1, "kind": "encoder", "label_names": ["no", "yes"], "harmful": ["yes"], **changed}
    (tmp_path / "vos.json").write_text(json.dumps(facts))
    for read in (load_classifier, saved_classes, saved_harmful):
        with pytest.raises(ModelError) as refused:
            read(tmp_path)
        assert message in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("family", ["bert", "gpt2", "xlnet", "roberta"])
def test_a_folder_without_tokenizer_files_is_refused(classifier, family, tmp_path):
    write_family(tmp_path, family)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    message = refused(classifier, tmp_path)
    assert "expected the tokenizer's files beside the model" in message or "with AutoTokenizer" in message


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_tokenizer_larger_than_the_embeddings_is_refused(classifier, tmp_path):
    write_family(tmp_path, "bert", vocab_size=20)
    message = refused(classifier, tmp_path)
    assert f"the tokenizer has {len(VOCABULARY)} tokens" in message
    assert "embeddings for 20" in message


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_padding_token_added_beyond_the_embeddings_is_refused(classifier, tmp_path):
    write_family(tmp_path, "gpt2", pad_token_id=None)
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path)
    message = refused(classifier, tmp_path)
    assert f"the tokenizer has {len(VOCABULARY) + 1} tokens (the last is '[PAD]')" in message
    assert f"embeddings for {len(VOCABULARY)}" in message


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_configured_padding_token_beyond_the_embeddings_is_refused(classifier, tmp_path):
    write_family(tmp_path, "gpt2")
    config = AutoConfig.from_pretrained(tmp_path)
    config.pad_token_id = 5000
    config.save_pretrained(tmp_path)
    message = refused(classifier, tmp_path)
    assert "pad_token_id is 5000" in message
    assert f"embeddings for {len(VOCABULARY)} tokens" in message
    assert f"to {SPECIAL['pad']}" in message


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize(("max_length", "expected"), [(513, "at most 512"), (2, "at least 3"), (-1, "at least 3")])
def test_a_length_that_cannot_work_is_refused(classifier, max_length, expected, tmp_path):
    write_family(tmp_path, "bert")
    assert f"model.max_length: expected {expected}" in refused(classifier, tmp_path, ConfigError, max_length=max_length)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_without_a_length_few_positions_decide(classifier, tmp_path):
    write_family(tmp_path / "few", "bert", max_position_embeddings=40)
    write_family(tmp_path / "many", "bert")
    assert classifier(str(tmp_path / "few"), NAMES).max_length == 40
    assert classifier(str(tmp_path / "many"), NAMES).max_length == 128


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_an_unknown_side_is_refused(classifier, tmp_path):
    write_family(tmp_path, "bert")
    assert "model.truncation_side: expected" in refused(classifier, tmp_path, ConfigError, truncation_side="middle")


def cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_off_in_the_header(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5])


def without_configuration(folder):
    (folder / "config.json").unlink()


def half_a_configuration(folder):
    path = folder / "config.json"
    path.write_text(path.read_text()[:200])


def a_word_for_a_number(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": "many"}))


def another_size(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 48}))


def an_unknown_kind(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "abacus"}))


def half_a_tokenizer(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:300])


def without_weights(folder):
    (folder / "model.safetensors").unlink()


DAMAGES = [
    cut_off, cut_off_in_the_header, without_configuration, half_a_configuration, a_word_for_a_number, another_size,
    an_unknown_kind, half_a_tokenizer, without_weights,
]  # fmt: skip


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_files_are_refused(classifier, damage, tmp_path):
    write_family(tmp_path, "bert")
    damage(tmp_path)
    assert f"cannot load '{tmp_path}'" in refused(classifier, tmp_path)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_weights_that_are_no_numbers_are_refused(classifier, tmp_path):
    write_family(tmp_path, "bert")
    weights = load_file(tmp_path / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][:] = torch.nan
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    refused(classifier, tmp_path)


def test_the_hub_cannot_be_reached(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # the variable was read at import
    for classifier in CLASSIFIERS:
        assert "Expected a Hugging Face hub name (needs a network)" in refused(classifier, "nobody/nothing-of-the-kind")


@pytest.mark.parametrize("name", ["model.safetensors", "head.safetensors"])
def test_a_saved_classifier_that_is_cut_off_is_refused(name, tmp_path):
    write_family(tmp_path / "own", "bert")
    EncoderClassifier(str(tmp_path / "own"), NAMES).save(tmp_path / "saved")
    path = tmp_path / "saved" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match=r"^[^\n]+$"):
        load_classifier(tmp_path / "saved")


def test_a_classifier_saved_before_there_was_a_side_loads(tmp_path):
    write_family(tmp_path / "own", "bert")
    for kind in CLASSIFIERS:
        first = kind(str(tmp_path / "own"), NAMES, max_length=20)
        first.save(tmp_path / "saved")
        facts = json.loads((tmp_path / "saved/vos.json").read_text())
        assert facts.pop("truncation_side") == "right"
        (tmp_path / "saved/vos.json").write_text(json.dumps(facts))
        assert load_classifier(tmp_path / "saved").fingerprint() == first.fingerprint()
        shutil.rmtree(tmp_path / "saved")
