"""Parallel batches: the same features, one thread each, and the previous settings restored afterwards."""

import threading

import pytest
import torch

from tests.conftest import toy_examples
from vos.models import ClassifierFeaturizer, EncoderClassifier, FeatureCache, PretrainedClassifier
from vos.models.workers import side_by_side

NAMES = ("harmless", "harmful")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_each_worker_has_one_thread_and_torch_has_its_own_again(two_threads):
    with side_by_side(2) as submit:
        waiting = [submit(lambda: (torch.get_num_threads(), threading.get_ident())) for _ in range(2)]
        threads, idents = zip(*(outcome() for outcome in waiting), strict=True)
    assert threads == (1, 1)
    assert threading.get_ident() not in idents
    assert torch.get_num_threads() == 2


def test_work_is_done_at_once_without_workers(two_threads):
    with side_by_side(1) as submit:
        outcome = submit(lambda: (torch.get_num_threads(), threading.get_ident()))
    assert outcome() == (2, threading.get_ident())


def test_a_failure_comes_out_and_what_waits_is_dropped(two_threads):
    done = []

    def fails():
        raise ValueError("a bad batch")

    def ask():
        with side_by_side(2) as submit:
            first = submit(fails)
            for i in range(200):
                submit(lambda i=i: done.append(i) or torch.linalg.svd(torch.ones(64, 64)))
            first()

    with pytest.raises(ValueError, match="a bad batch"):
        ask()
    assert len(done) < 200
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("kind", ["encoder", "pretrained"])
def test_the_features_are_the_same(kind, tiny_encoder, tiny_classifier, tmp_path, two_threads):
    made = {"encoder": (EncoderClassifier, tiny_encoder), "pretrained": (PretrainedClassifier, tiny_classifier)}[kind]
    classifier = made[0](made[1], NAMES, max_length=30)
    examples = toy_examples(60)
    alone = ClassifierFeaturizer(classifier, max_tokens=40).featurize([e.text for e in examples])
    with FeatureCache(tmp_path, "x", classifier.n_features) as cache:
        featurizer = ClassifierFeaturizer(classifier, cache, max_tokens=40, n_workers=3)
        for _ in range(2):  # the second time from the cache
            chunks = list(featurizer.stream(iter(examples), 25))
            assert [e for part, _ in chunks for e in part] == examples
            torch.testing.assert_close(torch.cat([b.features for _, b in chunks]), alone.features, atol=1e-6, rtol=1e-5)
    assert featurizer.featurize([]).features.shape == (0, classifier.n_features)


def test_a_stream_that_nobody_reads_to_its_end_leaves_everything_as_it_was(tiny_encoder, two_threads):
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=30).train()
    stream = ClassifierFeaturizer(classifier, n_workers=2).stream(iter(toy_examples(40)), 5)
    next(stream)
    stream.close()
    assert classifier.training
    assert torch.get_num_threads() == 2
