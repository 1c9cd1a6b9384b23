"""A featurizer under bfloat16 autocast: close to float32, with an exact head, independent of its context."""

import torch

from vos.models import ClassifierFeaturizer, EncoderClassifier

TEXTS = [f"the ladder fell on day {i} and nobody was there" for i in range(12)]


def test_features_move_a_little_and_logits_follow_them(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"))
    exact, fast = (ClassifierFeaturizer(classifier, bfloat16=on).featurize(TEXTS) for on in (False, True))
    assert fast.features.dtype == torch.float32
    assert not torch.equal(exact.features, fast.features)
    torch.testing.assert_close(fast.features, exact.features, atol=0.05, rtol=0.05)
    assert torch.equal(fast.logits, classifier.linear_head().logits(fast.features))
    assert not torch.is_autocast_enabled("cpu")
