"""Shortcuts on margins that are sums of word weights, so that every effect is known."""

import itertools

import numpy as np
import pytest

from vos.errors import ConfigError, ShapeError
from vos.interpret.corpus_words import corpus_words
from vos.interpret.shortcuts import (
    Hosts,
    choose_hosts,
    deletion_effects,
    insertion_effects,
    insertion_surprise,
    rank_words,
    robust_deviation,
)
from vos.interpret.words import split_words

NAMES = tuple(f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou")


class WordWeights:
    """A margin that adds up the weights of a text's words, and those of the phrases in it; counts what it reads."""

    def __init__(self, weights, phrases=None):
        self.weights, self.phrases, self.n_read = weights, phrases or {}, 0

    def __call__(self, texts):
        self.n_read += len(texts)
        values = []
        for text in texts:
            words = [word.text for word in split_words(text)]
            pairs = itertools.pairwise(words)
            values.append(
                sum(self.weights.get(w, 0.0) for w in words) + sum(self.phrases.get(" ".join(p), 0.0) for p in pairs)
            )
        return np.array(values)


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    return {name: float(rng.normal(scale=0.3)) for name in NAMES}


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(NAMES, 8)) for _ in range(200)]


def test_hosts_are_the_nearest_of_both_sides_with_places_inside(texts, weights):
    margins = WordWeights(weights)(texts)
    hosts = choose_hosts(texts, margins, np.random.default_rng(0), n=6)
    for side in (margins > 0, margins < 0):
        nearest = sorted(np.flatnonzero(side), key=lambda i: abs(margins[i]))[:3]
        assert set(nearest) <= set(hosts.rows)
    assert all(0 <= place <= 8 for place in hosts.places)
    assert hosts.texts == tuple(texts[row] for row in hosts.rows)
    assert choose_hosts(texts, margins, np.random.default_rng(0), n=6) == hosts


@pytest.mark.parametrize(("n_harmful", "expected"), [(1, (1, 5)), (0, (0, 6)), (100, (3, 3))])
def test_a_side_with_few_texts_leaves_its_room_to_the_other(texts, n_harmful, expected):
    margins = -np.arange(1.0, 201.0)
    margins[:n_harmful] *= -1
    hosts = choose_hosts(texts, margins, np.random.default_rng(0), n=6)
    harmful = sum(margins[row] > 0 for row in hosts.rows)
    assert (harmful, len(hosts.rows) - harmful) == expected


def test_few_or_odd_texts():
    rng = np.random.default_rng(0)
    assert choose_hosts(["only one"], np.ones(1), rng).texts == ("only one",)  # too short, and the only one
    assert len(choose_hosts(["a b c d", "", "x " * 60], np.array([1.0, 0.5, -0.1]), rng).texts) == 1
    with pytest.raises(ConfigError, match="at least one"):
        choose_hosts([], np.zeros(0), rng)


def test_the_effect_of_a_word_is_its_weight(texts, weights):
    margins = WordWeights({**weights, "zebra": 4.0, "!!": -2.0}, {"for now": 3.0})
    hosts = choose_hosts(texts, margins(texts), np.random.default_rng(0))
    found = insertion_effects(margins, hosts, ["zebra", "!!", "for now", *NAMES])
    assert found.shape == (53, 8)
    np.testing.assert_allclose(found[:3], [[4.0] * 8, [-2.0] * 8, [3.0] * 8])
    for name, row in zip(NAMES, found[3:], strict=True):
        has = [name in text.split() for text in hosts.texts]
        np.testing.assert_array_equal(np.isnan(row), has)
        np.testing.assert_allclose(row[~np.isnan(row)], weights[name])


def test_a_word_that_every_host_has_is_put_in_all_the_same():
    margins = WordWeights({"a": 1.0})
    assert insertion_effects(margins, Hosts(("a b", "a"), (0, 1), (0, 1)), ["a"]).tolist() == [[1.0, 1.0]]


def test_surprise_is_what_a_word_does_beyond_those_like_it():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 20)  # four kinds of word, each with an effect of its own
    vectors = np.eye(4)[group] * 10 + rng.normal(size=(80, 4)) * 0.1
    effect = np.array([-2.0, 0.0, 1.0, 3.0])[group] + rng.normal(scale=0.1, size=80)
    effect[70] = 6.0
    effect[30] = 3.0  # as large as a whole kind is, and odd among its own
    words = [f"w{i}" for i in range(80)]
    found = insertion_surprise(effect, words, vectors)
    for i in (0, 30, 45, 70):
        alike = vectors - vectors.mean(0)
        cosine = alike @ alike[i] / np.linalg.norm(alike, axis=1)
        nearest = [j for j in np.argsort(-cosine) if j != i][:10]
        assert found.expected[i] == pytest.approx(np.median(effect[nearest]))
    assert sorted(np.flatnonzero(np.abs(found.surprise) > 5)) == [30, 70]
    assert found.deviation == pytest.approx(0.1, abs=0.05)


def test_words_that_share_a_word_are_no_neighbours():
    vectors = np.array([[1.0, 0.0], [1.0, 0.01], [1.0, -0.01], [-1.0, 0.0], [-1.0, 0.1]])
    words = ["zebra", "a zebra", "zebra is", "cat", "dog"]
    found = insertion_surprise(np.array([5.0, 5.0, 5.0, 0.0, 0.2]), words, vectors)
    np.testing.assert_allclose(found.expected[:3], 0.1)
    np.testing.assert_allclose(found.expected[3], 5.0)


def test_deletion_is_of_every_copy_in_texts_that_have_the_word(texts):
    margins = WordWeights({"zebra": 1.5, "!!": 2.0}, {"for now": 3.0})
    some = [f"{text} zebra and zebra for now!! yes!!" for text in texts[:20]] + texts[20:]
    words = corpus_words(some)
    before = margins.n_read
    mean, error = deletion_effects(margins, some, words, np.random.default_rng(0), n_texts=5)
    assert margins.n_read - before <= len(some) + 5 * len(words)
    by_word = dict(zip(words.words, mean, strict=True))
    assert by_word["zebra"] == pytest.approx(3.0)
    assert by_word["!!"] == pytest.approx(4.0)
    assert by_word["for now"] == by_word["now"] == pytest.approx(3.0)
    assert by_word["ba"] == 0
    assert error[words.words.index("zebra")] == pytest.approx(0, abs=1e-9)


def test_a_phrase_that_its_word_explains_is_left_out_and_a_stronger_one_is_not():
    words = ["a zebra", "zebra", "for now", "now", "the end", "end"]
    effect = np.array([4.2, 4.0, -3.0, -2.5, 1.0, -1.0])
    assert rank_words(np.abs(effect), effect, words, beyond=0.4) == [1, 2, 3, 4, 5]
    assert rank_words(np.abs(effect), effect, words, beyond=0.6) == [1, 3, 4, 5]


def test_robust_deviation_and_nothing():
    values = np.random.default_rng(0).normal(size=20_000) * 3
    values[:200] = 1e6
    assert robust_deviation(values) == pytest.approx(3, rel=0.05)
    assert robust_deviation(np.zeros(0)) == 0
    empty = insertion_surprise(np.zeros(0), [], np.zeros((0, 3)))
    assert empty.surprise.shape == (0,)
    assert insertion_surprise(np.zeros(1), ["a"], np.zeros((1, 3))).surprise.tolist() == [0.0]
    with pytest.raises(ShapeError, match="expected effect"):
        insertion_surprise(np.zeros(2), ["a"], np.zeros((1, 3)))
    nothing = corpus_words([])
    assert deletion_effects(WordWeights({}), [], nothing, np.random.default_rng(0))[0].shape == (0,)
    assert insertion_effects(WordWeights({}), Hosts(("a",), (0,), (0,)), []).shape == (0, 1)
