import pytest
import torch

from tests.conftest import toy_examples
from vos.models import ClassifierFeaturizer, EncoderClassifier, FeatureCache

NAMES = ("harmless", "harmful")
TEXTS = ["word " * n for n in (3, 40, 1, 12, 25, 7, 2)]


@pytest.fixture
def classifier(tiny_encoder):
    return EncoderClassifier(tiny_encoder, NAMES, max_length=30)


def one_by_one(classifier, texts):
    rows = []
    for text in texts:
        batch = classifier.tokenizer([text], truncation=True, max_length=30, return_tensors="pt")
        with torch.no_grad():
            rows.append(classifier.eval()(batch)[0])
    return torch.cat(rows)


@pytest.mark.parametrize("max_tokens", [1, 40, 4096])
def test_batching_changes_nothing_and_keeps_the_order(classifier, max_tokens):
    found = ClassifierFeaturizer(classifier, max_tokens=max_tokens).featurize(TEXTS)
    expected = one_by_one(classifier, TEXTS)
    torch.testing.assert_close(found.features, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.logits, classifier.head(expected).detach(), atol=1e-6, rtol=1e-5)


def test_no_texts_have_no_features(classifier):
    batch = ClassifierFeaturizer(classifier).featurize([])
    assert batch.features.shape == (0, classifier.n_features)
    assert batch.logits.shape == (0, 2)


def test_batches_stay_within_the_token_budget(classifier):
    ids = [[0] * n for n in (3, 1, 9, 4, 4, 2)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    batches = list(ClassifierFeaturizer(classifier, max_tokens=8)._batches(order, ids))
    assert sorted(i for rows in batches for i in rows) == list(range(6))
    assert all(len(rows) == 1 or len(rows) * max(len(ids[i]) for i in rows) <= 8 for rows in batches)


@pytest.mark.parametrize("fails", [False, True])
def test_the_modes_before_are_restored(classifier, monkeypatch, fails):
    classifier.eval()
    classifier.dropout.train()  # as in the training of a head on a frozen encoder
    if fails:
        monkeypatch.setattr(classifier, "encode", lambda batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ClassifierFeaturizer(classifier).featurize(TEXTS[:1])
    else:
        ClassifierFeaturizer(classifier).featurize(TEXTS[:1])
    assert [name for name, module in classifier.named_modules() if module.training] == ["dropout"]


def test_a_failure_leaves_the_classifier_on_its_device(classifier, monkeypatch):
    moves = []
    monkeypatch.setattr(classifier, "to", lambda device: moves.append(str(device)) or classifier)
    monkeypatch.setattr(classifier, "encode", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ClassifierFeaturizer(classifier, device="meta").featurize(TEXTS[:1])
    assert moves == ["meta", "cpu"]


def test_the_cache_gives_the_same_and_spares_the_encoder(classifier, tmp_path, monkeypatch):
    with FeatureCache(tmp_path, classifier.encoder_fingerprint(), 16) as cache:
        featurizer = ClassifierFeaturizer(classifier, cache)
        first = featurizer.featurize(TEXTS[:4])
        calls = []
        encode = classifier.encode
        monkeypatch.setattr(classifier, "encode", lambda batch: calls.append(len(batch["input_ids"])) or encode(batch))
        again = featurizer.featurize(TEXTS)
    assert sum(calls) == 3
    assert torch.equal(again.features[:4], first.features)
    torch.testing.assert_close(again.features, one_by_one(classifier, TEXTS), atol=1e-6, rtol=1e-5)


def test_features_can_be_trained_on(classifier):
    features = ClassifierFeaturizer(classifier).featurize(TEXTS).features
    classifier.head(features).sum().backward()
    assert classifier.head.weight.grad is not None


def test_streaming_gives_chunks_in_order(classifier):
    examples = toy_examples(7)
    chunks = list(ClassifierFeaturizer(classifier).stream(iter(examples), chunk_size=3))
    assert [len(part) for part, _ in chunks] == [3, 3, 1]
    assert [e for part, _ in chunks for e in part] == examples
    whole = ClassifierFeaturizer(classifier).featurize([e.text for e in examples])
    torch.testing.assert_close(torch.cat([b.features for _, b in chunks]), whole.features, atol=1e-6, rtol=1e-5)


def test_the_hash_follows_the_head(classifier):
    featurizer = ClassifierFeaturizer(classifier)
    before = featurizer.model_hash
    with torch.no_grad():
        classifier.head.weight.add_(1)
    assert featurizer.model_hash != before
