"""Words and phrases of a corpus, their positions, and the two statistics that need no model."""

import numpy as np
import pytest

from vos.errors import ShapeError
from vos.interpret.corpus_words import choose_words, corpus_words, predictive_words, spans_of, within_label_t

TEXTS = ["Not now!!", "for now, not later", "For now it rains", "it rains... for  now", "no!! no!!"]


def test_words_phrases_and_signs_with_their_texts():
    found = corpus_words(TEXTS, min_word=2, min_phrase=2)
    assert found.words == ("!!", "for", "for now", "it", "it rains", "not", "now", "rains")
    assert [found.kinds[i] for i in (0, 1, 2)] == ["punctuation", "word", "phrase"]
    held = {word: found.texts_with(i).tolist() for i, word in enumerate(found.words)}
    assert held["!!"] == [0, 4]
    assert held["for now"] == [1, 2, 3]
    assert held["now"] == [0, 1, 2, 3]
    assert found.counts.tolist() == [len(held[word]) for word in found.words]
    part = found.at([2, 0])
    assert part.words == ("for now", "!!")
    assert part.texts_with(1).tolist() == [0, 4]


def test_a_phrase_does_not_cross_a_sign():
    assert "rains for" not in corpus_words(TEXTS, 1, 1).words


def test_every_copy_is_found():
    assert [TEXTS[3][a:b] for a, b in spans_of(TEXTS[3], "for now")] == ["for  now"]
    assert len(spans_of(TEXTS[4], "!!")) == 2
    assert spans_of("nowhere", "now") == []


def test_t_within_labels_is_welchs_of_the_rests():
    rng = np.random.default_rng(0)
    texts = [f"a{' b' * bool(i % 3)}{' c' * bool(i % 4 == 0)}" for i in range(40)]
    groups = np.array([i % 2 if i % 5 else -1 for i in range(40)])
    margins = rng.normal(size=40) + 3 * groups
    words = corpus_words(texts, 1, 99)
    found = dict(zip(words.words, within_label_t(words, margins, groups), strict=True))
    rest = {g: [margins[i] for i in range(40) if groups[i] == g] for g in (0, 1)}
    values = {i: margins[i] - sum(rest[groups[i]]) / len(rest[groups[i]]) for i in range(40) if groups[i] >= 0}
    for word in "bc":
        inside = [v for i, v in values.items() if word in texts[i].split()]
        outside = [v for i, v in values.items() if word not in texts[i].split()]
        pooled = np.var(inside, ddof=1) / len(inside) + np.var(outside, ddof=1) / len(outside)
        assert found[word] == pytest.approx((np.mean(inside) - np.mean(outside)) / np.sqrt(pooled))
    assert np.isnan(found["a"])  # every text has it


def test_a_word_that_only_goes_with_the_label_is_quiet_and_one_that_is_read_is_not():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 2, 400)
    read = rng.random(400) < 0.2
    texts = [
        f"text{' sign' * bool(g and rng.random() < 0.9)}{' read' * bool(r)}" for g, r in zip(groups, read, strict=True)
    ]
    margins = 4.0 * groups + 2.0 * read + rng.normal(size=400)
    words = corpus_words(texts)
    found = dict(zip(words.words, np.abs(within_label_t(words, margins, groups)), strict=True))
    assert found["sign"] < 4 < 10 < found["read"]


def test_no_labels_and_wrong_shapes():
    words = corpus_words(["a b", "a", "b"], 1, 1)
    assert np.isnan(within_label_t(words, np.zeros(3), np.full(3, -1))).all()
    with pytest.raises(ShapeError, match="expected margins"):
        within_label_t(words, np.zeros(2), np.zeros(3, dtype=np.int64))
    empty = corpus_words([])
    assert len(empty) == 0
    assert empty.counts.shape == (0,)
    assert within_label_t(empty, np.zeros(0), np.zeros(0, dtype=np.int64)).shape == (0,)


def test_ridge_coefficients_are_the_words_weights():
    rng = np.random.default_rng(2)
    names = [f"w{i}" for i in range(8)]
    has = rng.random((3000, 8)) < 0.3
    weight = np.array([3.0, 0, 0, -2.0, 0, 0, 0.5, 0])
    texts = [" ".join(n for n, h in zip(names, row, strict=True) if h) for row in has]
    words = corpus_words(texts, 6, 10_000)
    found = predictive_words(words, has @ weight + 1.0)
    np.testing.assert_allclose(found[[words.words.index(n) for n in names]], weight, atol=0.2)


def test_half_of_the_words_are_chosen_by_strength_and_the_rest_by_count():
    texts = ["a b c d e f"] * 3 + ["a b c d"] * 3 + ["a b"] * 3
    words = corpus_words(texts, 1, 1)
    strength = np.array([float(word in ("f", "e", "e f", "c d")) for word in words.words])
    found = [words.words[i] for i in choose_words(words, strength, 4, 3)]
    assert found == ["a", "a b", "b", "c d", "e", "e f", "f"] or found == ["a", "a b", "b", "b c", "c d", "e", "f"]
    assert len(choose_words(words, strength, 100, 100)) == len(words)
