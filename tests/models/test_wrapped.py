"""A model in memory is read through a copy of its modules and is not changed."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from tests.conftest import tiny_bert
from vos.errors import ModelError
from vos.models import ClassifierFeaturizer, WrappedClassifier

TEXTS = ["one", "two words", "three words here and some more of them"]


def tiny_gpt2(tokenizer):
    config = GPT2Config(vocab_size=tokenizer.vocab_size, n_embd=32, n_head=2, n_layer=2, num_labels=3)
    return GPT2ForSequenceClassification(config)


@pytest.mark.parametrize("make", [lambda t: BertForSequenceClassification(tiny_bert(t)), tiny_gpt2])
def test_features_and_head_give_the_models_own_logits_and_nothing_changes(make, tokenizer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make(tokenizer).eval()
    model.config.pad_token_id = None
    before = model.config.to_dict()
    classifier = WrappedClassifier(model, tokenizer)
    found = ClassifierFeaturizer(classifier).featurize(TEXTS).logits
    assert model.config.to_dict() == before
    assert {id(p) for p in classifier.parameters()} == {id(p) for p in model.parameters()}
    model.config.pad_token_id = tokenizer.pad_token_id
    with torch.no_grad():
        batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
        expected = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    torch.testing.assert_close(found, expected)


def test_texts_are_cut_where_model_and_tokenizer_can_read_no_further(tokenizer):
    model = BertForSequenceClassification(tiny_bert(tokenizer))
    assert WrappedClassifier(model, tokenizer).max_length == 64
    shorter = copy.deepcopy(tokenizer)
    shorter.model_max_length = 16
    assert WrappedClassifier(model, shorter).max_length == 16


def test_one_output_is_no_classifier(tokenizer):
    with pytest.raises(ModelError, match="expected a model with two classes or more, got 1"):
        WrappedClassifier(BertForSequenceClassification(tiny_bert(tokenizer, num_labels=1)), tokenizer)
