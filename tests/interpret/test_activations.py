"""Units and features of texts with tokens taken out, against the encoder itself with the same tokens masked."""

import numpy as np
import pytest
import torch

from vos.errors import ConfigError
from vos.interpret.activations import (
    TAKEN_OUT,
    both_ends,
    both_sides,
    feature_activations,
    special_tokens,
    unit_activations,
)
from vos.interpret.units import UnitReader
from vos.metrics.margins import margin
from vos.models import EncoderClassifier, PretrainedClassifier
from vos.types import tokenize

TEXTS = ["the ladder fell and he broke his arm", "gas", "she poured the oil, slowly, over the wall"]


@pytest.fixture(scope="module")
def classifier(tiny_encoder):
    return EncoderClassifier(tiny_encoder, ("harmless", "harmful"), harmful=(1,))


@pytest.fixture(scope="module")
def rows(classifier):
    return [tuple(ids[1:-1]) for ids in tokenize(classifier.tokenizer, TEXTS, 64)]


def literal(classifier, row):
    """Activations of every layer at the word tokens, and features, where hidden tokens stay in place unattended."""
    (first,), (last,) = special_tokens(classifier.tokenizer)
    ids = torch.tensor([[first, *(0 if t == TAKEN_OUT else t for t in row), last]])
    mask = torch.tensor([[1, *(int(t != TAKEN_OUT) for t in row), 1]])
    seen = []
    hooks = [
        layer.output.dense.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0][0]))
        for layer in classifier.encoder.encoder.layer
    ]
    with torch.no_grad():
        hidden = classifier.eval().encoder(input_ids=ids, attention_mask=mask).last_hidden_state[0]
    for hook in hooks:
        hook.remove()
    words = mask[0].bool().clone()
    words[[0, -1]] = False
    return [each[words] for each in seen], hidden[mask[0].bool()].mean(0)


@pytest.mark.parametrize("layer", [0, 1])
def test_units_are_those_of_the_encoder_with_tokens_hidden(classifier, rows, layer):
    rng = np.random.default_rng(0)
    hidden = [tuple(t if rng.random() < 0.6 else TAKEN_OUT for t in row) for row in rows * 5]
    read = unit_activations(classifier, layer, [3, 0, 31], bfloat16=False)
    found = read([*rows, *hidden])
    assert found.shape == (18, 3)
    for row, values in zip([*rows, *hidden], found, strict=True):
        units = literal(classifier, row)[0][layer][:, [3, 0, 31]]
        np.testing.assert_allclose(values, units.amax(0) if len(units) else np.zeros(3), atol=1e-5)


def test_units_of_whole_texts_are_those_of_the_unit_reader(classifier, rows):
    (batch,) = UnitReader(classifier).read(TEXTS, gradients=False)
    values = unit_activations(classifier, 1, range(32), bfloat16=False)(rows)
    for place, i in enumerate(batch.index):
        expected = batch.activations[1][place][batch.kind[place] == 0].max(0)
        np.testing.assert_allclose(values[i], expected, atol=1e-5)


def test_batches_do_not_change_values(classifier, rows):
    many = [row[:n] for row in rows for n in range(len(row) + 1)]
    read = unit_activations(classifier, 1, range(8), bfloat16=False, max_tokens=16)
    np.testing.assert_allclose(read(many), unit_activations(classifier, 1, range(8), bfloat16=False)(many), atol=1e-5)


def test_margin_and_directions_follow_from_the_features(classifier, rows):
    hidden = [(TAKEN_OUT, *row[1:]) for row in rows]
    features = torch.stack([literal(classifier, row)[1] for row in hidden])
    margins = feature_activations(classifier, both_sides(classifier), bfloat16=False)(hidden)
    expected = margin(classifier.linear_head().logits(features), (1,)).detach()
    np.testing.assert_allclose(margins, torch.stack([expected, -expected], 1), atol=1e-5)
    rng = np.random.default_rng(0)
    directions, centre = rng.normal(size=(3, 16)), rng.normal(size=16)
    ends = feature_activations(classifier, both_ends(directions, centre), bfloat16=False)(hidden)
    coordinates = (features.double().numpy() - centre) @ directions.T
    np.testing.assert_allclose(ends, np.hstack([coordinates, -coordinates]), atol=1e-5)


def test_positions_that_start_elsewhere_are_kept(tmp_path, tokenizer):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=66, pad_token_id=tokenizer.pad_token_id,
        id2label={0: "harmless", 1: "harmful"}, label2id={"harmless": 0, "harmful": 1},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = PretrainedClassifier(str(tmp_path), ("harmless", "harmful"), max_length=32, harmful=(1,)).eval()
    row = tuple(tokenize(tokenizer, TEXTS[:1], 32)[0][1:-1])
    hidden = (TAKEN_OUT, *row[1:3], TAKEN_OUT, *row[4:])
    (first,), (last,) = special_tokens(tokenizer)
    mask = torch.tensor([[1, *(int(t != TAKEN_OUT) for t in hidden), 1]])
    places = torch.arange(mask.shape[1])[None] + tokenizer.pad_token_id + 1
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor([[first, *row, last]]), "attention_mask": mask, "position_ids": places}
        expected = margin(classifier.linear_head().logits(classifier.encode(inputs)), (1,))
    found = feature_activations(classifier, both_sides(classifier), bfloat16=False)([hidden])
    np.testing.assert_allclose(found[0, 0], expected[0], atol=1e-5)


def test_what_is_not_there_is_said(classifier):
    with pytest.raises(ConfigError, match="expected a layer below 2 and places below 32, got layer 2"):
        unit_activations(classifier, 2, [0])
    with pytest.raises(ConfigError, match=r"got layer 0, \[32\]"):
        unit_activations(classifier, 0, [32])


def test_no_rows(classifier):
    assert unit_activations(classifier, 0, [1, 2])([]).shape[0] == 0
