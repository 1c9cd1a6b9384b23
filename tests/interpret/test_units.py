"""Units: found in every model family; gradients, token kinds and ablations against slow, literal versions."""

import numpy as np
import pytest
import torch

from tests.models.families import WORDS, write_family
from vos.errors import ConfigError, ModelError, ShapeError
from vos.interpret.units import PADDING, UnitReader
from vos.models import EncoderClassifier, PretrainedClassifier

NAMES = ("harmless", "harmful")
TEXTS = [
    "she fell", "the cat sat on the wall", "he was burned by the oil in her ladder of steam", "unheard of",
    "the ladder broke", "steam", "the oil poured on the cat and she sat in the steam of the wall by her ladder",
]  # fmt: skip
DOWN = {
    "bert": "bert.encoder.layer.{}.output.dense",
    "roberta": "roberta.encoder.layer.{}.output.dense",
    "distilbert": "distilbert.transformer.layer.{}.ffn.lin2",
    "deberta-v2": "deberta.encoder.layer.{}.output.dense",
    "electra": "electra.encoder.layer.{}.output.dense",
    "albert": "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output",
    "mpnet": "mpnet.encoder.layer.{}.output.dense",
    "modernbert": "model.layers.{}.mlp.Wo",
    "gpt2": "transformer.h.{}.mlp.c_proj",
    "llama": "model.layers.{}.mlp.down_proj",
    "qwen2": "model.layers.{}.mlp.down_proj",
    "gemma": "model.layers.{}.mlp.down_proj",
}


def classifier_of(folder, family):
    write_family(folder, family)
    return PretrainedClassifier(str(folder), NAMES, harmful=(1,))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return classifier_of(tmp_path_factory.mktemp("bert"), "bert")


def literal(classifier, text, name, layer=0, unit=None, values=None):
    """One text alone: the inputs of a named module at its call `layer`, and the margin with one unit set to values."""
    module = classifier.body.get_submodule(name)
    seen = []

    def hook(_module, inputs):
        seen.append(inputs[0].detach().clone())
        if unit is None or len(seen) - 1 != layer:
            return None
        changed = inputs[0].clone()
        for place, value in enumerate(values):
            changed[0, place, unit] = float(value)
        return (changed,)

    handle = module.register_forward_pre_hook(hook)
    classifier.eval()
    given = classifier.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        features = classifier.encode({n: given[n] for n in ("input_ids", "attention_mask")})
        logits = features @ classifier.head.weight.T + (0 if classifier.head.bias is None else classifier.head.bias)
    handle.remove()
    return seen, float(logits[0, 1] - logits[0, 0])


@pytest.mark.parametrize("family", DOWN)
def test_units_of_every_family_are_the_inputs_of_its_last_linear_map(family, tmp_path):
    classifier = classifier_of(tmp_path, family)
    reader = UnitReader(classifier, max_tokens=40)
    shared = "{}" not in DOWN[family]
    names = [DOWN[family].format(layer) for layer in range(2)]
    assert reader.n_layers == 2
    assert reader.output_vectors(0).shape == (reader.n_units, 32)
    found = {i: (batch, row) for batch in reader.read(TEXTS) for row, i in enumerate(batch.index)}
    assert sorted(found) == list(range(len(TEXTS)))
    each = reader.ablated_each(TEXTS, [(1, 5), (0, 3)], np.full((2, 3, reader.n_units), 0.25))
    for i, text in enumerate(TEXTS):
        batch, row = found[i]
        for layer, name in enumerate(names):
            seen, value = literal(classifier, text, name)
            kept = batch.activations[layer][row][batch.mask[row]]
            np.testing.assert_allclose(kept, seen[layer if shared else 0][0], atol=1e-4)
            assert batch.margins[row] == pytest.approx(value, abs=1e-4)
            unit = (3, 5)[layer]
            changed = literal(classifier, text, name, layer if shared else 0, unit, [0.25] * len(kept))[1]
            assert each[1 - layer, i] == pytest.approx(changed, abs=1e-4)


@pytest.mark.parametrize("family", ["t5", "bart", "xlnet"])
def test_other_families_say_why_not(family, tmp_path):
    with pytest.raises(ModelError, match="unit views need"):
        UnitReader(classifier_of(tmp_path, family))


def test_gradients_are_those_of_the_margin(bert):
    reader, step = UnitReader(bert), 1e-2
    text = TEXTS[1]
    batch = next(reader.read([text]))
    for layer, place, unit in ((0, 2, 7), (1, 0, 3), (1, 4, 60)):
        values = batch.activations[layer][0, :, unit].copy()
        moved = []
        for sign in (1, -1):
            shifted = values.copy()
            shifted[place] += sign * step
            moved.append(literal(bert, text, DOWN["bert"].format(layer), 0, unit, shifted)[1])
        slope = (moved[0] - moved[1]) / (2 * step)
        assert batch.gradients[layer][0, place, unit] == pytest.approx(slope, abs=2e-3, rel=1e-2)


def test_no_gradient_where_a_text_is_padded_and_none_where_not_asked_for(bert):
    batch = next(UnitReader(bert).read(TEXTS))
    assert not batch.mask.all()
    assert all(np.abs(each[~batch.mask]).max() == 0 for each in batch.gradients)
    assert next(UnitReader(bert).read(TEXTS, gradients=False)).gradients is None


def test_kinds_of_token(bert):
    batch = next(UnitReader(bert).read(["the cat <sep> sat", "xyz <mask>"]))
    rows = dict(zip(batch.index.tolist(), batch.kind.tolist(), strict=True))
    assert rows[0] == [1, 0, 0, 2, 0, 2]
    assert rows[1] == [1, 0, 0, 2, PADDING, PADDING]  # the unknown and the hidden word are words


def test_means_are_by_kind_of_token(bert):
    means = UnitReader(bert, max_tokens=30).means(TEXTS)
    seen = [literal(bert, text, DOWN["bert"].format(1))[0][0][0] for text in TEXTS]
    np.testing.assert_allclose(means[1, 0], torch.cat([each[1:-1] for each in seen]).mean(0), atol=1e-5)
    np.testing.assert_allclose(means[1, 1], torch.stack([each[0] for each in seen]).mean(0), atol=1e-5)
    np.testing.assert_allclose(means[1, 2], torch.stack([each[-1] for each in seen]).mean(0), atol=1e-5)


def test_a_kind_that_no_text_has_gets_the_mean_of_all_tokens(tmp_path):
    means = UnitReader(classifier_of(tmp_path, "gpt2")).means(TEXTS)
    np.testing.assert_array_equal(means[:, 1], means[:, 0])


def test_a_set_is_ablated_to_its_means(bert):
    reader = UnitReader(bert, max_tokens=30)
    means = np.random.default_rng(0).normal(scale=3, size=(2, 3, 64))
    sets = reader.ablated(TEXTS, [(1, 4)], means)
    for i, text in enumerate(TEXTS):
        length = len(bert.tokenizer(text)["input_ids"])
        values = [means[1, 1, 4], *[means[1, 0, 4]] * (length - 2), means[1, 2, 4]]
        assert sets[i] == pytest.approx(literal(bert, text, DOWN["bert"].format(1), 0, 4, values)[1], abs=1e-4)
    np.testing.assert_allclose(sets, reader.ablated_each(TEXTS, [(1, 4)], means)[0], atol=1e-4)
    both = reader.ablated(TEXTS, [(1, 4), (0, 9)], means)
    assert np.abs(sets - reader.margins(TEXTS)).max() > 1e-3
    assert np.abs(both - sets).max() > 1e-3


def test_every_unit_of_the_last_layer_at_zero_leaves_its_bias(bert):
    reader = UnitReader(bert)
    units = [(1, unit) for unit in range(reader.n_units)]
    found = reader.ablated(TEXTS, units, np.zeros((2, 3, reader.n_units)))
    dense = bert.body.get_submodule(DOWN["bert"].format(1))
    with torch.no_grad():
        kept, dense.weight = dense.weight, torch.nn.Parameter(torch.zeros_like(dense.weight))
        expected = reader.margins(TEXTS)
        dense.weight = kept
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_modes_weights_and_hooks_are_as_before_also_after_a_failure(bert, monkeypatch):
    bert.train()
    hooks = [(len(m._forward_pre_hooks), len(m._forward_hooks)) for m in bert.modules()]
    reader = UnitReader(bert)
    before = reader.margins(TEXTS)
    reader.ablated_each(TEXTS, [(1, 0), (0, 2)], reader.means(TEXTS))
    monkeypatch.setattr(bert, "linear_head", None)
    with pytest.raises(TypeError):
        list(reader.read(TEXTS))
    monkeypatch.undo()
    assert all(module.training for module in bert.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in bert.parameters())
    assert [(len(m._forward_pre_hooks), len(m._forward_hooks)) for m in bert.modules()] == hooks
    assert not any("forward" in vars(module) for module in bert.modules())
    np.testing.assert_array_equal(reader.margins(TEXTS), before)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_frozen_encoder_has_gradients_too(tiny_encoder, pooling):
    classifier = EncoderClassifier(tiny_encoder, NAMES, pooling=pooling, freeze=True, harmful=(1,))
    batch = next(UnitReader(classifier).read([" ".join(WORDS[:6])]))
    assert all(np.isfinite(each).all() for each in batch.gradients)
    assert np.abs(batch.gradients[0]).max() > 0
    elsewhere = np.abs(batch.gradients[1][0, 1:]).max()
    assert (elsewhere > 0) == (pooling == "mean")  # what is pooled at the first token hears of no other


def test_bad_input(bert):
    reader = UnitReader(bert)
    means = reader.means(TEXTS)
    for call in (reader.ablated, reader.ablated_each):
        with pytest.raises(ConfigError, match="expected a layer below 2 and a place below 64, got"):
            call(TEXTS, [(2, 0)], means)
        with pytest.raises(ShapeError, match=r"means: expected .* \(2, 3, 64\), got \(3, 64\)"):
            call(TEXTS, [(1, 0)], means[0])
    with pytest.raises(ConfigError, match="at least one"):
        reader.means([])
    assert list(reader.read([])) == []
    assert reader.ablated_each([], [(0, 0)], means).shape == (1, 0)
    assert len(reader.margins(["", "\n"])) == 2
