"""Terms of texts and their log-odds against naive versions."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest

from vos.interpret.terms import distinctive_terms, informative_prior, log_odds, term_matrix, terms_of


def naive_log_odds(y_a, y_b, prior):
    """Monroe, Colaresi and Quinn 2008, equations 15 and 19, one word at a time."""
    n_a, n_b, total = sum(y_a), sum(y_b), sum(prior)
    found = []
    for a, b, alpha in zip(y_a, y_b, prior, strict=True):
        delta = math.log((a + alpha) / (n_a + total - a - alpha)) - math.log((b + alpha) / (n_b + total - b - alpha))
        found.append((delta, math.sqrt(1 / (a + alpha) + 1 / (b + alpha))))
    return found


def test_log_odds_are_the_literal_ones():
    draw = np.random.default_rng(0)
    for _ in range(20):
        a, b = draw.integers(0, 30, size=(2, 12)).astype(float)
        prior = draw.uniform(0.1, 5, size=12)
        delta, error = log_odds(a, b, prior)
        np.testing.assert_allclose(np.stack([delta, error], 1), naive_log_odds(a, b, prior), rtol=1e-12)


def test_many_sets_at_once_are_each_on_their_own():
    draw = np.random.default_rng(1)
    a, b, prior = draw.integers(0, 9, (5, 7)).astype(float), draw.integers(0, 9, (5, 7)).astype(float), np.ones(7)
    delta, error = log_odds(a, b, prior)
    for i in range(5):
        one = log_odds(a[i], b[i], prior)
        np.testing.assert_array_equal([delta[i], error[i]], one)


def test_two_terms_have_the_log_odds_ratio_in_closed_form():
    # Counts 8 of 10 against 2 of 10, hardly any prior: log(8/2) - log(2/8) = 2 log 4, variance 1/8 + 1/2.
    delta, error = log_odds(np.array([8.0, 2.0]), np.array([2.0, 8.0]), np.full(2, 1e-9))
    assert delta[0] == pytest.approx(2 * math.log(4), rel=1e-6)
    assert error[0] == pytest.approx(math.sqrt(1 / 8 + 1 / 2), rel=1e-6)


def test_equal_shares_are_no_difference_whatever_the_sizes():
    delta, _ = log_odds(np.array([10.0, 30.0]), np.array([100.0, 300.0]), np.array([5.0, 15.0]))
    np.testing.assert_allclose(delta, 0.0, atol=1e-12)


def test_the_prior_follows_the_background():
    prior = informative_prior(np.array([1.0, 3.0]), 500.0)
    np.testing.assert_allclose(prior, [125.0, 375.0])


def test_a_term_counts_once_a_text_and_rare_ones_are_left_out():
    texts = ["so so good", "so good!", "good", ""]
    matrix = term_matrix(texts, min_df=2)
    assert matrix.terms == ("good", "so", "so good")
    assert matrix.presence.toarray().tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert matrix.holders(1, np.array([False, True, True, True])).tolist() == [1]
    assert matrix.counts(np.array([True, False, True, True])).tolist() == [2, 1, 1]


def test_terms_of_plain_words_are_those_of_a_regular_expression():
    draw = np.random.default_rng(2)
    for _ in range(30):
        text = " ".join(f"w{i}" for i in draw.integers(9, size=8))
        words = re.findall(r"\w+", text)
        assert terms_of(text, 1) == set(words)
        assert terms_of(text) == set(words) | {f"{a} {b}" for a, b in itertools.pairwise(words)}


def test_a_doubled_sign_is_a_word_and_no_phrase_reaches_over_it():
    assert terms_of("Stop!! now then") == {"stop", "!!", "now", "then", "now then"}


def test_no_texts_and_no_terms_are_an_empty_matrix():
    for texts in ([], [""], ["one two"]):
        matrix = term_matrix(texts)
        assert matrix.terms == ()
        assert matrix.presence.shape == (len(texts), 0)
        assert distinctive_terms(matrix, np.ones(len(texts), dtype=bool)) == []


def test_words_that_tell_a_set_apart_name_it():
    texts = ["the cat sat"] * 30 + ["the dog ran"] * 30 + ["the end"] * 10
    matrix = term_matrix(texts)
    rows = np.arange(70) < 30
    assert distinctive_terms(matrix, rows, prior=5.0) == ["cat", "sat"]
    assert distinctive_terms(matrix, np.zeros(70, dtype=bool)) == []
