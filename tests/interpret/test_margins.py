"""The margin reader against the featurizer, with two classes, three classes, and no harmful class."""

import numpy as np
import pytest
import torch

from vos.interpret.margins import MarginReader
from vos.models import ClassifierFeaturizer, EncoderClassifier

TEXTS = [
    "",
    "word",
    "a few words more",
    "עולם \u202e👍🏽",
    "<img onerror=x>",
    "words and words " * 1300,
    "a few words more",
]
CLASSES = [(2, (1,)), (2, (0,)), (3, (1, 2)), (3, ())]


def classifier_of(folder, n_classes, harmful):
    names = tuple(f"class {i}" for i in range(n_classes))
    return EncoderClassifier(folder, names, max_length=30, harmful=harmful)


@pytest.mark.parametrize(("n_classes", "harmful"), CLASSES)
@pytest.mark.parametrize("max_tokens", [1, 64, 4096])
def test_in_float32_margins_are_the_featurizers(tiny_encoder, n_classes, harmful, max_tokens):
    classifier = classifier_of(tiny_encoder, n_classes, harmful)
    found = MarginReader(classifier, max_tokens, bfloat16=False)(TEXTS)
    logits = ClassifierFeaturizer(classifier).featurize(TEXTS).logits.double().numpy()
    if harmful:
        rest = [c for c in range(n_classes) if c not in harmful]
        expected = logits[:, list(harmful)].max(1) - logits[:, rest].max(1)
    else:
        ordered = np.sort(logits, 1)
        expected = ordered[:, -1] - ordered[:, -2]
        assert (found >= 0).all()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[2] == pytest.approx(found[-1], abs=1e-6)


def test_in_bfloat16_margins_are_nearly_the_same_and_exact_ones_are_those_of_float32(tiny_encoder):
    classifier = classifier_of(tiny_encoder, 2, (1,))
    precise, fast = MarginReader(classifier, bfloat16=False), MarginReader(classifier, bfloat16=True)
    expected, found = precise(TEXTS), fast(TEXTS)
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    np.testing.assert_array_equal(fast.exact(TEXTS), expected)


def test_texts_are_counted_and_none_give_none(tiny_encoder):
    read = MarginReader(classifier_of(tiny_encoder, 2, (1,)))
    assert read([]).shape == (0,)
    read(TEXTS)
    read.exact(TEXTS[:2])
    assert read.n_read == len(TEXTS) + 2


def test_the_classifier_stays_as_it_was_and_nothing_is_drawn(tiny_encoder):
    classifier = classifier_of(tiny_encoder, 2, (1,)).train()
    before, state = classifier.fingerprint(), torch.get_rng_state()
    first = MarginReader(classifier)(TEXTS)
    assert classifier.training
    assert classifier.fingerprint() == before
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(MarginReader(classifier)(TEXTS), first)
