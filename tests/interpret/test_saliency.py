"""Saliency where every effect is known, for a sum of tokens; and completeness otherwise."""

import numpy as np
import pytest
import torch

from tests.interpret.toy_linear import LinearTokens, table_of
from vos.errors import ModelError
from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.saliency import agreement, deletion, deletion_flips, integrated, saliency
from vos.interpret.words import split_words
from vos.models import EncoderClassifier, PretrainedClassifier

WEIGHTS = {"zebra": 3.0, "kind": -2.0, "the": 0.25, "!": 1.0}
ODD = ["", "word", "!!", " \n ", "עולם \u202eabc", "👍🏽👍🏽 <b>", "word and zebra, " * 1300, "\x00a\x07b"]


@pytest.fixture
def linear(tokenizer):
    return LinearTokens(tokenizer, table_of(tokenizer, WEIGHTS))


def readers(classifier):
    return MarginReader(classifier, bfloat16=False), GradientReader(classifier, bfloat16=False)


def test_the_effect_of_deleting_a_word_is_its_weight_times_its_copies(linear):
    read, _ = readers(linear)
    (found,) = deletion(read, ["The zebra and the kind zebra, Zebra!!"])
    assert [word.text for word in found.words] == "the zebra and the kind zebra , zebra !!".split()  # noqa: SIM905
    np.testing.assert_allclose(found.values, [0.5, 9, 0, 0.5, -2, 9, 0, 9, 2], atol=1e-6)
    assert found.margin == pytest.approx(0.5 + 9 - 2 + 2)
    assert (found.method, found.gap) == ("deletion", 0.0)


def test_each_different_word_is_read_once(linear):
    read, _ = readers(linear)
    deletion(read, ["the zebra the zebra the", "", "kind"])
    assert read.n_read == 3 + 2 + 1


def test_integrated_gradients_of_a_sum_are_weights_less_the_baselines(linear):
    read, gradients = readers(linear)
    text = "The zebra and the kind zebra!!"
    ((row, found),) = integrated(gradients, [text])
    assert row == 0
    mean = (0.25 * 2 + 3 * 2 - 2 + 1 * 2) / 8  # of the eight tokens
    pieces = np.array([1, 1, 1, 1, 1, 1, 2])
    np.testing.assert_allclose(found.values, [0.25, 3, 0, 0.25, -2, 3, 2] - mean * pieces, atol=1e-5)
    assert found.margin == pytest.approx(float(read([text])[0]), abs=1e-5)
    assert found.gap == pytest.approx(0.0, abs=1e-5)


def test_the_baseline_is_the_mean_of_the_tokens_of_the_texts(linear):
    _, gradients = readers(linear)
    texts = ["the zebra", "", "kind"]
    torch.testing.assert_close(gradients.mean_embedding(texts), torch.tensor([0.0, (0.25 + 3 - 2) / 3]))
    torch.testing.assert_close(gradients.mean_embedding([""]), gradients.table.mean(0))
    zero = torch.zeros(2)
    np.testing.assert_allclose(dict(integrated(gradients, texts, zero))[0].values, [0.25, 3.0], atol=1e-6)
    long = saliency(readers(linear)[0], texts, gradients, long=1, baseline=zero)
    np.testing.assert_allclose(long[0].values, [0.25, 3.0], atol=1e-6)


def test_gradients_of_a_sum_are_the_direction_of_harm_at_every_token(linear):
    _, gradients = readers(linear)
    texts = ["the zebra", "kind words for a zebra"]
    for found in gradients.read(texts):
        n = len(split_words(texts[found.row])) + 2
        np.testing.assert_allclose(found.gradients, np.tile([-1.0, 1.0], (n, 1)), atol=1e-6)
        assert [texts[found.row][a:b] for a, b in found.spans[1:-1]] == texts[found.row].split()
        assert found.embeddings.shape == (n, 2)


@pytest.mark.parametrize("kind", ["encoder", "pretrained", "three classes", "none harmful"])
def test_integrated_gradients_are_complete(tiny_encoder, tiny_classifier, kind):
    names = ("harmless", "harmful", "other")[: 3 if kind in ("three classes", "none harmful") else 2]
    harmful = () if kind == "none harmful" else (1,)
    if kind == "pretrained":
        classifier = PretrainedClassifier(tiny_classifier, names, harmful=harmful)
    else:
        classifier = EncoderClassifier(tiny_encoder, names, max_length=40, harmful=harmful)
    with torch.no_grad():
        classifier.head.weight.mul_(30)  # margins of the size that trained models have
    read, gradients = readers(classifier)
    texts = ["the zebra and the kind word", "unbelievable supercalifragilistic people!!", "so it goes " * 30, "a"]
    margins = read(texts)
    for found in gradients.integrated(texts):
        assert found.margin == pytest.approx(margins[found.row], abs=1e-4)
        assert found.margin - found.baseline == pytest.approx(found.values.sum() + found.gap, abs=1e-9)
        assert abs(found.gap) < 0.02 * max(abs(found.margin - found.baseline), 1.0)
        assert found.values[0] == found.values[-1] == 0.0


def test_gradients_are_those_of_finite_differences(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("a", "b"), max_length=40, harmful=(1,))
    classifier.double()
    _, gradients = readers(classifier)
    (found,) = gradients.read(["the zebra and the kind word"])
    table = classifier.encoder.get_input_embeddings().weight
    ids = classifier.tokenizer("the zebra and the kind word")["input_ids"]
    for place, column in ((2, 3), (5, 0)):
        values = []
        for step in (1e-4, -1e-4):
            with torch.no_grad():
                table[ids[place], column] += step
                values.append(float(MarginReader(classifier, bfloat16=False)(["the zebra and the kind word"])[0]))
                table[ids[place], column] -= step
        assert found.gradients[place, column] == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-3)


def test_long_texts_are_read_by_gradients_and_what_is_cut_is_left_out(linear):
    read, gradients = readers(linear)
    texts = ["the zebra", "the zebra " * 40]
    found = saliency(read, texts, gradients, long=60)
    assert [each.method for each in found] == ["deletion", "integrated_gradients"]
    assert len(found[1].words) == linear.max_length - 2
    assert [each and each.method for each in saliency(read, texts)] == ["deletion", None]


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (1,)), (3, (1, 2)), (3, ())])
def test_texts_of_every_kind_have_a_saliency(tiny_encoder, n_classes, harmful):
    names = tuple(f"class {i}" for i in range(n_classes))
    read, gradients = readers(EncoderClassifier(tiny_encoder, names, max_length=40, harmful=harmful))
    told = []
    found = saliency(read, ODD, gradients, told=told.append)
    assert sum(told) == len(ODD)
    for text, each in zip(ODD, found, strict=True):
        assert np.isfinite(each.values).all()
        assert len(each.values) == len(each.words)
        if each.method == "deletion":
            assert list(each.words) == split_words(text)
    assert saliency(read, [], gradients) == []


def test_where_no_class_is_harmful_a_word_is_held_against_the_class_predicted(tokenizer):
    table = table_of(tokenizer, {"zebra": 3.0}, n_classes=3, harm=2) + table_of(tokenizer, {"kind": 1.0}, 3, harm=0)
    read, gradients = readers(LinearTokens(tokenizer, table, harmful=()))
    texts = ["kind zebra", "kind word"]
    first, second = deletion(read, texts)
    np.testing.assert_allclose(first.values, [-1.0, 3.0], atol=1e-6)  # without the zebra it is 1 short of the other
    np.testing.assert_allclose(second.values, [1.0, 0.0], atol=1e-6)
    assert dict(integrated(gradients, texts, gradients.table.mean(0)))[0].values[1] > 2.9


def test_deleting_what_supports_a_side_flips_more_than_deleting_at_random(tokenizer):
    weights = {"zebra": 3.0, "kind": -3.0}
    read, _ = readers(LinearTokens(tokenizer, table_of(tokenizer, {**weights, "[CLS]": 0.5})))
    texts = ["kind one two three four five six", "kind kind zebra two three four five six"]
    found = deletion(read, texts)
    flips = deletion_flips(read, texts, found, np.random.default_rng(0), n_words=1, draws=400)
    assert (flips.n, flips.top) == (2, 1.0)
    assert flips.random == pytest.approx((1 / 7 + 1 / 8) / 2, abs=0.04)  # one of 7, one of 8 words alone flips it
    none = deletion_flips(read, ["kind"], deletion(read, ["kind"]), np.random.default_rng(0))
    assert none.n == 0
    assert np.isnan(none.top)


def test_agreement_is_a_rank_correlation_over_the_words(linear):
    read, gradients = readers(linear)
    texts = ["the zebra and kind words", "zebra of the kind", "a"]
    one = deletion(read, texts)
    other = [each for _, each in sorted(integrated(gradients, texts))]
    assert agreement(one, one) == pytest.approx(1.0)
    assert agreement(one, other) > 0.99
    assert np.isnan(agreement(one[2:], other[2:]))


def test_a_model_that_looks_tokens_up_twice_has_no_gradients(linear, monkeypatch):
    once = linear.encode
    monkeypatch.setattr(linear, "encode", lambda batch: once(batch) + once(batch))
    with pytest.raises(ModelError, match="once, batch first; Module does otherwise; use deletion"):
        GradientReader(linear)
    assert len(deletion(MarginReader(linear), ["the zebra"])) == 1


def test_a_tokenizer_without_offsets_has_no_gradients(linear, monkeypatch):
    monkeypatch.setattr(type(linear.tokenizer), "is_fast", False)
    with pytest.raises(ModelError, match="tokenizer with offsets"):
        GradientReader(linear)
