"""Word senses: *black* of people and of things, a single cluster, and an encoder with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, silhouette_score
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from tests.interpret.two_senses import OF_PEOPLE, OF_THINGS
from vos.interpret.senses import context_p, silhouette, split_senses, word_vectors
from vos.models.encoder import EncoderClassifier

TRUTH = np.repeat([0, 1], len(OF_PEOPLE))


@pytest.fixture(scope="module")
def encoder():
    return EncoderClassifier("bundled", ("a", "b"), max_length=32).eval()


def vectors_of(classifier, texts=(*OF_PEOPLE, *OF_THINGS), word="black"):
    return word_vectors(classifier, texts, [word])[word]


def test_black_of_people_and_of_things_part(encoder):
    """28 occurrences, 14 each; with groups drawn at random an ARI above .5 has probability below 1e-4."""
    found = vectors_of(encoder)
    senses = split_senses(found.vectors, np.random.default_rng(0))
    assert adjusted_rand_score(TRUTH, senses.labels) > 0.7
    assert senses.p <= 0.05
    assert context_p(found.contexts, senses.labels, found.positions, np.random.default_rng(0)) <= 0.05


def test_random_weights_part_the_word_by_something_else(encoder):
    """Its groups are positions in the text: they part well, but neither along the senses nor along the words around."""
    classifier = EncoderClassifier("bundled", ("a", "b"), max_length=32)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        classifier.encoder = AutoModel.from_config(classifier.encoder.config)
    found = vectors_of(classifier.eval())
    senses = split_senses(found.vectors, np.random.default_rng(0))
    assert adjusted_rand_score(TRUTH, senses.labels) < 0.3
    assert context_p(found.contexts, senses.labels, found.positions, np.random.default_rng(0)) > 0.05


def test_vectors_are_those_of_one_text_at_a_time(encoder):
    texts = ["A black, black hat.", "nothing here", "BLACK!", "The unbelievable blackbird."]
    found = vectors_of(encoder, texts)
    assert found.texts.tolist() == [0, 0, 2]
    assert found.starts.tolist() == [2, 9, 0]
    for i in range(3):
        text = texts[found.texts[i]]
        given = encoder.tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        at = [k for k, (start, end) in enumerate(given["offset_mapping"][0].tolist()) if start == found.starts[i] < end]
        with torch.no_grad():
            states = encoder.encoder(given["input_ids"], attention_mask=given["attention_mask"]).last_hidden_state[0]
        assert found.vectors[i] == pytest.approx(states[at].mean(0).double().numpy(), abs=1e-5)


def test_a_word_is_found_where_the_span_of_its_token_holds_the_space(tmp_path):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = {name: f"<{name}>" for name in ("pad_token", "cls_token", "sep_token", "unk_token")}
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=[*special.values()], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(["the bank and the bank of the river"] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    assert tokenizer("the bank", return_offsets_mapping=True)["offset_mapping"][-1] == (3, 8)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    RobertaModel(RobertaConfig(vocab_size=len(tokenizer), pad_token_id=0, **sizes)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = EncoderClassifier(str(tmp_path), ("a", "b"), max_length=32)
    found = vectors_of(classifier, ["the bank of the river", "bank"], "bank")
    assert (found.texts.tolist(), found.starts.tolist(), found.positions.tolist()) == ([0], [4], [1])
    assert len(vectors_of(classifier, ["the bank of the river"], "the").texts) == 2


def test_a_word_of_several_tokens_has_their_mean_and_the_other_tokens_are_its_context(encoder):
    found = vectors_of(encoder, ["Unbelievably loud."], "unbelievably")
    ids = encoder.tokenizer("Unbelievably loud.")["input_ids"]
    table = encoder.encoder.embeddings.word_embeddings.weight.detach().double().numpy()
    assert len(ids) > 5
    assert found.contexts[0] == pytest.approx(table[ids[-3:-1]].mean(0))
    [far] = vectors_of(encoder, ["Black " + "cats sleep " * 6]).contexts
    ids = encoder.tokenizer("cats sleep cats sleep cats")["input_ids"][1:-1]
    assert far == pytest.approx(table[ids].mean(0))


def test_words_that_are_not_there_or_cut_off_have_no_rows(encoder):
    found = word_vectors(encoder, ["word " * 60 + "black", "", "🙂"], ["black", "absent"])
    for each in found.values():
        assert each.vectors.shape == (0, 384)
        assert len(each.texts) == len(each.contexts) == 0
    assert word_vectors(encoder, [], ["black"])["black"].vectors.shape == (0, 384)


def test_one_cloud_does_not_pass_and_two_do():
    """p is uniform on a grid of 20 under the null: p <= .05 four times or more in 20 has probability .016."""
    draw = np.random.default_rng(0)
    clouds = [draw.normal(size=(30, 24)) * np.linspace(3, 0.2, 24) for _ in range(20)]
    assert sum(split_senses(cloud, draw, draws=19).p <= 0.05 for cloud in clouds) < 4
    two = clouds[0] + 12 * TRUTH[:1] + np.repeat([0, 1], 15)[:, None] * 6
    found = split_senses(two, draw, draws=19)
    assert found.p == 0.05
    assert adjusted_rand_score(np.repeat([0, 1], 15), found.labels) == 1.0
    centred = two - two.mean(0)
    means = np.repeat([centred[:15].mean(0), centred[15:].mean(0)], 15, axis=0)
    assert found.share == pytest.approx((means**2).sum() / (centred**2).sum())


def test_two_of_a_kind_are_no_sense():
    draw = np.random.default_rng(0)
    points = draw.normal(size=(20, 5))
    points[:2] += 50.0
    assert np.bincount(split_senses(points, draw, draws=9).labels).min() >= 3


def test_three_groups_are_three():
    draw = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [15, 12, 9])
    points = draw.normal(size=(36, 10)) + 9 * np.eye(10)[truth]
    assert split_senses(points, draw, draws=9).labels.tolist() == truth.tolist()


def test_the_silhouette_is_that_of_scikit_learn():
    draw = np.random.default_rng(0)
    points, labels = draw.normal(size=(15, 3)), draw.integers(4, size=15)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert silhouette(distances, labels) == pytest.approx(silhouette_score(points, labels))
    alone = np.array([0] * 14 + [1])
    assert silhouette(distances, alone) == pytest.approx(silhouette_score(points, alone))


@pytest.mark.parametrize("vectors", [np.zeros((0, 5)), np.ones((1, 5)), np.ones((20, 5)), np.zeros((11, 5))])
def test_too_little_to_part_is_one_sense(vectors):
    found = split_senses(vectors, np.random.default_rng(0), draws=3)
    assert found.labels.tolist() == [0] * len(vectors)
    assert (found.separation, found.share, found.p) == (0.0, 0.0, 1.0)
    assert context_p(vectors, found.labels, np.arange(len(vectors)), np.random.default_rng(0)) == 1.0


def test_what_goes_with_the_position_alone_is_no_sense():
    """Words around that change along the text, and groups that are its beginning and its end."""
    draw = np.random.default_rng(0)
    positions = np.arange(40)
    contexts = draw.normal(size=(40, 6))
    contexts[:, 0] += positions / 4
    halves = (positions >= 20).astype(np.int64)
    assert context_p(contexts, halves, positions, draw) > 0.5
    mixed = draw.permutation(halves)
    contexts[:, 1] += 6 * mixed
    assert context_p(contexts, mixed, positions, draw) == 0.005


@pytest.mark.parametrize("seed", range(3))
def test_groups_at_random_are_no_senses(seed):
    """p is uniform under the null; below .02 three times in a row has probability 8e-6."""
    draw = np.random.default_rng(seed)
    assert context_p(draw.normal(size=(30, 8)), draw.integers(2, size=30), draw.integers(20, size=30), draw) > 0.02
