"""Every architecture is a tiny random configuration: head(features) must give the model's own logits."""

import pytest
import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    LlamaConfig,
    RobertaConfig,
)

from vos.errors import ConfigError, ModelError
from vos.models import PretrainedClassifier, load_classifier
from vos.models.splitting import last_linear

NAMES = ("harmless", "harmful")
TEXTS = ["one", "two words", "three words here and some more of them"]
STANDARD = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
ARCHITECTURES = {
    "bert": (BertConfig, STANDARD),
    "roberta": (RobertaConfig, STANDARD),
    "distilbert": (DistilBertConfig, {"dim": 32, "n_heads": 2, "n_layers": 2, "hidden_dim": 64}),
    "deberta": (DebertaConfig, STANDARD),
    "deberta-v2": (DebertaV2Config, STANDARD),
    "electra": (ElectraConfig, STANDARD | {"embedding_size": 32}),
    "albert": (AlbertConfig, STANDARD | {"embedding_size": 16}),
    "llama": (LlamaConfig, STANDARD | {"num_key_value_heads": 2}),
    "gpt2": (GPT2Config, {"n_embd": 32, "n_head": 2, "n_layer": 2}),
}


def write_model(folder, tokenizer, architecture="bert", **options):
    config_class, sizes = ARCHITECTURES[architecture]
    names = {"id2label": dict(enumerate(NAMES)), "label2id": {}} if options.get("num_labels", 2) == 2 else {}
    known = {"vocab_size": tokenizer.vocab_size, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": None}
    options = known | names | options
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = AutoModelForSequenceClassification.from_config(config_class(**sizes, **options)).eval()
        for parameter in model.parameters():  # biases start at zero and would hide mistakes
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def logits_of(model, tokenizer):
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        return model(**inputs).logits if not isinstance(model, PretrainedClassifier) else model(inputs)[1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_head_of_features_gives_the_models_own_logits(architecture, tokenizer, tmp_path):
    model = write_model(tmp_path / "own", tokenizer, architecture)
    split = PretrainedClassifier(str(tmp_path / "own"), NAMES).eval()
    torch.testing.assert_close(logits_of(split, tokenizer), logits_of(model, tokenizer), atol=1e-5, rtol=0)
    split.save(tmp_path / "saved")
    elsewhere = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(logits_of(elsewhere, tokenizer), logits_of(model, tokenizer), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        logits_of(load_classifier(tmp_path / "saved"), tokenizer), logits_of(model, tokenizer), atol=1e-5, rtol=0
    )
    assert not split.head_is_new


def test_saving_leaves_the_split_model_as_it_was(tokenizer, tmp_path):
    write_model(tmp_path / "own", tokenizer)
    split = PretrainedClassifier(str(tmp_path / "own"), NAMES).eval()
    before = logits_of(split, tokenizer)
    split.save(tmp_path / "saved")
    assert torch.equal(logits_of(split, tokenizer), before)


def test_rows_follow_the_datas_class_names(tokenizer, tmp_path):
    model = write_model(tmp_path, tokenizer, id2label={0: "harmful", 1: "harmless"}, label2id={})
    split = PretrainedClassifier(str(tmp_path), NAMES).eval()
    torch.testing.assert_close(logits_of(split, tokenizer), logits_of(model, tokenizer).flip(-1), atol=1e-5, rtol=0)


ONE_LOGIT = [
    ("Harmful", {}, 1),
    ("harmless", {}, 0),
    ("LABEL_0", {"label_map": {"LABEL_0": "harmless"}}, 0),
    ("LABEL_0", {"label_map": {0: "harmful"}}, 1),
    ("score", {"positive_label": "score"}, 1),
]


@pytest.mark.parametrize(("output", "options", "speaks_for"), ONE_LOGIT)
def test_one_logit_becomes_two_with_the_sigmoid_kept(tokenizer, tmp_path, output, options, speaks_for):
    model = write_model(tmp_path / "own", tokenizer, num_labels=1, id2label={0: output})
    split = PretrainedClassifier(str(tmp_path / "own"), NAMES, harmful=(1,), **options).eval()
    expected = torch.sigmoid(logits_of(model, tokenizer)[:, 0])
    torch.testing.assert_close(logits_of(split, tokenizer).softmax(-1)[:, speaks_for], expected)
    split.save(tmp_path / "saved")
    elsewhere = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(logits_of(elsewhere, tokenizer).softmax(-1)[:, speaks_for], expected)
    assert elsewhere.config.id2label == dict(enumerate(NAMES))
    again = load_classifier(tmp_path / "saved")
    torch.testing.assert_close(logits_of(again, tokenizer), logits_of(split, tokenizer))


@pytest.mark.parametrize("output", ["LABEL_0", "sentiment"])
def test_one_logit_whose_name_says_nothing_is_asked_for(tokenizer, tmp_path, output):
    write_model(tmp_path, tokenizer, num_labels=1, id2label={0: output})
    with pytest.raises(
        ConfigError, match=rf"model\.label_map: .*outputs \['{output}'\], classes \['harmless', 'harmful'\]"
    ):
        PretrainedClassifier(str(tmp_path), NAMES)


@pytest.mark.parametrize("wanted", ["toxic", 1])
def test_an_output_of_a_multi_label_model_can_be_named(tokenizer, tmp_path, wanted):
    names = {0: "obscene", 1: "toxic", 2: "threat"}
    model = write_model(tmp_path, tokenizer, num_labels=3, id2label=names, problem_type="multi_label_classification")
    split = PretrainedClassifier(str(tmp_path), NAMES, positive_label=wanted, harmful=(1,)).eval()
    expected = torch.sigmoid(logits_of(model, tokenizer)[:, 1])
    torch.testing.assert_close(logits_of(split, tokenizer).softmax(-1)[:, 1], expected)


def test_other_classes_than_the_datas_are_refused(tokenizer, tmp_path):
    write_model(tmp_path, tokenizer, num_labels=3)
    with pytest.raises(ConfigError, match=r"outputs \['LABEL_0', .*, classes .* several outputs may mean one class"):
        PretrainedClassifier(str(tmp_path), NAMES)
    with pytest.raises(ConfigError, match=r"model\.positive_label: expected one of"):
        PretrainedClassifier(str(tmp_path), NAMES, positive_label="toxic", harmful=(1,))


def test_a_softmax_keeps_all_outputs_where_one_is_named_as_harmful(tokenizer, tmp_path):
    model = write_model(tmp_path, tokenizer, id2label={0: "x", 1: "y"})
    model.classifier.bias.data += 6
    model.save_pretrained(tmp_path)
    split = PretrainedClassifier(str(tmp_path), NAMES, positive_label="x", harmful=(1,)).eval()
    own = logits_of(model, tokenizer).softmax(-1)
    torch.testing.assert_close(logits_of(split, tokenizer).softmax(-1), own.flip(-1))


def test_a_softmax_over_three_outputs_keeps_them(tokenizer, tmp_path):
    model = write_model(tmp_path, tokenizer, num_labels=3, id2label={0: "Hate Speech", 1: "Offensive", 2: "Neither"})
    names = ("neither", "offensive", "hate")
    for options in ({}, {"positive_label": "hate speech"}):
        split = PretrainedClassifier(str(tmp_path), names, harmful=(2,), **options).eval()
        own = logits_of(model, tokenizer).softmax(-1)
        torch.testing.assert_close(logits_of(split, tokenizer).softmax(-1), own[:, [2, 1, 0]])


def test_positive_label_cannot_turn_the_classes_round(tokenizer, tmp_path):
    write_model(tmp_path, tokenizer)
    with pytest.raises(ConfigError, match=r"positive_label: the output 'harmless' .* set data\.positive=harmless"):
        PretrainedClassifier(str(tmp_path), NAMES, positive_label="harmless", harmful=(1,))


def test_a_missing_head_is_new_and_seeded(tiny_encoder):
    first, same, other = (PretrainedClassifier(tiny_encoder, NAMES, seed=s) for s in (0, 0, 1))
    assert first.head_is_new
    assert PretrainedClassifier(tiny_encoder, ("a", "b", "c")).n_classes == 3
    with pytest.raises(ConfigError, match="its head has no weights"):
        PretrainedClassifier(tiny_encoder, NAMES, label_map={0: "harmful"})
    assert torch.equal(first.head.weight, same.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_freeze_leaves_the_head_alone_trainable(tiny_classifier):
    split = PretrainedClassifier(tiny_classifier, NAMES, freeze=True)
    assert sorted(name for name, p in split.named_parameters() if p.requires_grad) == ["head.bias", "head.weight"]


def test_padding_is_adopted_from_the_end_of_text_token(tokenizer, tmp_path):
    write_model(tmp_path, tokenizer, "gpt2", pad_token_id=None)
    split = PretrainedClassifier(str(tmp_path), NAMES)
    assert split.body.config.pad_token_id == tokenizer.pad_token_id


def test_a_model_without_a_linear_head_is_refused():
    with pytest.raises(ModelError, match=r"no nn\.Linear with 2 outputs"):
        last_linear(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), 2)


@pytest.mark.parametrize("factor", [2.0, float("nan")])
def test_a_model_whose_logits_do_not_come_from_its_last_linear_is_refused(tokenizer, tmp_path, monkeypatch, factor):
    write_model(tmp_path, tokenizer)
    real = AutoModelForSequenceClassification.from_pretrained

    def scaled(*arguments, **options):
        model, loading = real(*arguments, **options)
        forward = model.forward

        def wrong(**inputs):
            output = forward(**inputs)
            output.logits = output.logits * factor + 1
            return output

        model.forward = wrong
        return model, loading

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", scaled)
    with pytest.raises(ModelError, match="cannot be split at 'classifier'"):
        PretrainedClassifier(str(tmp_path), NAMES)


WITHOUT_DROPOUT = {"llama", "gpt2"}
"""Their head acts on every token, and no dropout stands before it."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_are_taken_before_the_dropout_of_the_head(architecture, tokenizer, tmp_path):
    rates = {"classifier_dropout": 0.5, "seq_classif_dropout": 0.5, "cls_dropout": 0.5, "classifier_dropout_prob": 0.5}
    write_model(tmp_path, tokenizer, architecture, **rates)
    split = PretrainedClassifier(str(tmp_path), NAMES).train()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    torch.manual_seed(0)
    features, logits = split(inputs)
    torch.manual_seed(0)
    torch.testing.assert_close(split.encode(inputs), features)
    if architecture != "distilbert":  # its ReLU gives zeros of its own
        assert (features != 0).all()
    without = split.head(features)
    assert torch.equal(logits, without) is (architecture in WITHOUT_DROPOUT)
    assert split.dropout_rate == (0.0 if architecture in WITHOUT_DROPOUT else 0.5)
