"""Matrix products by oneDNN: the same numbers up to their precision, only in that context and thread."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from vos.models import ClassifierFeaturizer, EncoderClassifier, onednn
from vos.models.onednn import Products, gain
from vos.models.precision import multiplies_bfloat16

CPU = torch.device("cpu")
TEXTS = ["the ladder fell", "nobody was there when it happened on the wall", "oil"]


@pytest.fixture
def calls(monkeypatch):
    """Makes oneDNN pay, whatever this processor says, and counts what it does."""
    made = []
    own = onednn._linear
    monkeypatch.setattr(onednn, "gain", lambda: 2.0)
    monkeypatch.setattr(onednn, "_linear", lambda *arguments: made.append(arguments[0].shape) or own(*arguments))
    return made


@pytest.mark.parametrize("shape", [(7, 24), (2, 5, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_in_float32_is_that_of_float64(calls, shape, bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(24, 40, bias=bias), torch.randn(shape)
    with torch.no_grad(), Products(CPU, bfloat16=False)():
        found = layer(x)
    torch.testing.assert_close(found.double(), layer.double()(x.double()), atol=1e-6, rtol=1e-5)
    assert calls == [x.shape]


def test_other_products_are_left_to_torch(calls):
    layer, x = nn.Linear(4, 3), torch.ones(2, 4)
    products = Products(CPU, bfloat16=False)
    with products():
        assert layer(x).requires_grad  # gradients are on
        with torch.no_grad():
            layer.double()(x.double())
            layer.float()(x[:0])
            layer(x[0])
            functional.linear(x, torch.ones(3, 4), None)  # no weight of a layer
            other = threading.Thread(target=layer, args=(x,))
            other.start()
            other.join()
    with torch.no_grad():
        layer(x)
    assert calls == []


def test_it_is_off_where_it_does_not_pay(calls, monkeypatch):
    monkeypatch.setattr(onednn, "gain", lambda: 1.05)
    monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda: False)
    for bfloat16 in (False, True):
        with torch.no_grad(), Products(CPU, bfloat16)():
            nn.Linear(4, 3)(torch.ones(2, 4))
    assert calls == []


def test_the_gain_is_a_ratio_of_times(monkeypatch):
    assert 0.05 < gain() < 50.0
    assert gain() == gain()
    monkeypatch.setattr(onednn, "_is_there", lambda: False)
    assert gain.__wrapped__() == 0.0


def test_callers_under_autocast_keep_it(calls):
    gain.cache_clear()
    x, layer = torch.randn(3, 8), torch.nn.Linear(8, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert gain() > 0.0
        products = Products(torch.device("cpu"), bfloat16=False)
        with products():
            assert functional.linear(x, layer.weight, layer.bias).dtype == torch.bfloat16


def test_features_in_float32_are_those_of_torch(calls, tiny_encoder, monkeypatch):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"))
    found = ClassifierFeaturizer(classifier).featurize(TEXTS).features
    assert calls
    monkeypatch.setattr(onednn, "gain", lambda: 0.0)
    torch.testing.assert_close(found, ClassifierFeaturizer(classifier).featurize(TEXTS).features, atol=1e-6, rtol=1e-5)


@pytest.mark.skipif(not multiplies_bfloat16(), reason="needs a processor with bfloat16")
def test_features_in_bfloat16_are_as_near_as_those_of_torch(calls, tiny_encoder, monkeypatch):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"))
    exact = ClassifierFeaturizer(classifier).featurize(TEXTS).features
    calls.clear()
    found = ClassifierFeaturizer(classifier, bfloat16=True).featurize(TEXTS).features
    assert calls
    monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda: False)
    own = ClassifierFeaturizer(classifier, bfloat16=True).featurize(TEXTS).features
    assert 0 < (found - exact).abs().max() < 3 * (own - exact).abs().max()


def test_weights_are_arranged_once_and_not_mistaken_for_others():
    if not multiplies_bfloat16():
        pytest.skip("needs a processor with bfloat16")
    products, x = Products(CPU, bfloat16=True), torch.ones(2, 4)
    with torch.no_grad(), products():
        for value in range(20):  # a weight that is gone may leave its place in memory to the next one
            weight = nn.Parameter(torch.full((3, 4), float(value)))
            assert functional.linear(x, weight, None).tolist() == [[4.0 * value] * 3] * 2
        before = len(products._packed)
        functional.linear(x, weight, None)
        assert len(products._packed) == before


@pytest.mark.parametrize("mask", ["none", "bool", "float"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_that_of_torch(mask, scale):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 8) for _ in range(3))
    keep = torch.rand(2, 1, 5, 5) < 0.7
    keep[..., 0] = True
    masks = {"none": None, "bool": keep, "float": torch.zeros(2, 1, 5, 5).masked_fill(~keep, float("-inf"))}
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=masks[mask], scale=scale)
    torch.testing.assert_close(onednn._attention(query, key, value, masks[mask], scale), expected)
