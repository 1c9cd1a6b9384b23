"""Sentences about sets of texts, with a stub that writes them and a judge that matches words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vos.errors import ConfigError, ShapeError
from vos.interpret.describe import DescribeSettings, benjamini_hochberg, describe_difference, distinct, validated

QUICK = DescribeSettings(resamples=400)


class WordJudge:
    """A sentence "holds WORD" holds for texts with that word."""

    def __init__(self):
        self.read = []

    def holds(self, sentence, texts):
        self.read += texts
        return [float(sentence.split()[-1] in text.split()) for text in texts]


class Stub:
    """Writes fixed sentences and remembers what it was shown."""

    def __init__(self, *sentences):
        self.sentences, self.shown = sentences, []

    def describe(self, texts_a, texts_b):
        self.shown.append((list(texts_a), list(texts_b)))
        return self.sentences


def planted(n=200, seed=0):
    draw = np.random.default_rng(seed)
    first = np.arange(n) < n // 2
    texts = []
    for i in range(n):
        words = [f"t{i}", "the"]
        words += ["zebra"] if draw.random() < (0.7 if first[i] else 0.1) else []
        words += ["lamp"] if draw.random() < 0.4 else []
        texts.append(" ".join(words))
    return texts, (first, ~first)


def test_a_true_sentence_is_validated_and_a_false_one_is_not():
    texts, sets = planted()
    judge, stub = WordJudge(), Stub("holds lamp", "holds zebra", "holds the", "Holds  zebra")
    found = describe_difference(stub, judge, texts, sets, np.random.default_rng(0), QUICK)
    assert next(each.sentence for each in found) == "holds zebra"
    assert len(found) == 3
    true = found[0]
    assert true.q < 0.02
    assert true.low > 0.1
    assert true.low < true.v < true.high
    assert len(true.texts_a) == 3
    assert all(sets[0][i] and "zebra" in texts[i] for i in true.texts_a)
    assert all(each.q > 0.05 and each.low <= 0.0 for each in found[1:])
    same = next(each for each in found if each.sentence == "holds the")
    assert (same.v, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_judge_reads_no_text_that_the_describer_was_shown():
    texts, sets = planted()
    judge, stub = WordJudge(), Stub("holds zebra")
    describe_difference(stub, judge, texts, sets, np.random.default_rng(0), QUICK)
    ((shown_a, shown_b),) = stub.shown
    assert (len(shown_a), len(shown_b)) == (25, 25)
    assert not set(shown_a + shown_b) & set(judge.read)
    assert len(judge.read) == 100
    assert {texts.index(text) < 100 for text in shown_a} == {True}
    assert {texts.index(text) < 100 for text in shown_b} == {False}


def test_v_and_p_are_those_of_counting():
    texts = ["zebra", "zebra", "zebra", "x", "x", "x", "zebra", "x"]
    rows = (np.arange(4), np.arange(4, 8))
    (found,) = validated(["holds zebra"], WordJudge(), texts, rows, np.random.default_rng(0), DescribeSettings())
    assert found.v == pytest.approx(3 / 4 - 1 / 4)
    # Of all deals of four texts the share with at least three of the four zebras, by counting.
    deals = list(itertools.combinations(range(8), 4))
    exact = np.mean([sum(texts[i] == "zebra" for i in deal) >= 3 for deal in deals])
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2000))
    assert found.texts_a == (0, 1, 2)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # V = .7 - .4 with 60 texts a side; 95 % nominally, 40 sets below 33 hits at .92 once in 200.
    draw = np.random.default_rng(0)
    hits = 0
    for _ in range(40):
        words = np.where(draw.random(120) < np.r_[np.full(60, 0.7), np.full(60, 0.4)], "zebra", "x").tolist()
        rows = (np.arange(60), np.arange(60, 120))
        (found,) = validated(["holds zebra"], WordJudge(), words, rows, draw, QUICK)
        hits += found.low <= 0.3 <= found.high
    assert hits >= 33


def test_false_sentences_are_rarely_discovered():
    # Words dealt alike: with 10 sentences a run and q < .05 a run errs in 1 of 20; above 6 of 40 once in 200.
    draw = np.random.default_rng(1)
    wrong = 0
    for _ in range(40):
        texts = [" ".join(f"w{j}" for j in range(10) if draw.random() < 0.3) for _ in range(60)]
        rows = (np.arange(30), np.arange(30, 60))
        found = validated([f"holds w{j}" for j in range(10)], WordJudge(), texts, rows, draw, QUICK)
        wrong += found[0].q < 0.05
    assert wrong <= 6


def test_benjamini_and_hochberg_step_up():
    draw = np.random.default_rng(0)
    for _ in range(20):
        p = draw.random(9).round(2)
        adjusted = benjamini_hochberg(p)
        for level in (0.05, 0.2, 0.5, 0.9):
            # The original rule: reject the k smallest, k the largest with p_(k) <= k/m * level.
            ranked = sorted(p)
            k = max([i for i in range(1, 10) if ranked[i - 1] <= i / 9 * level + 1e-12], default=0)
            assert sum(q <= level + 1e-9 for q in adjusted) == k
    assert benjamini_hochberg([]) == []


def test_sentences_are_made_distinct():
    assert distinct(["a\nb", " a b ", "A B", "c", "", "  ", "x" * 301]) == ["a b", "c"]


def test_the_describer_may_have_nothing_to_say():
    texts, sets = planted()
    assert describe_difference(Stub(), WordJudge(), texts, sets, np.random.default_rng(0), QUICK) == []
    assert describe_difference(Stub("", "\n"), WordJudge(), texts, sets, np.random.default_rng(0), QUICK) == []


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_texts_are_not_described(n):
    texts, _ = planted()
    rows, stub = np.arange(200), Stub("holds zebra")
    sets = (rows < n, rows >= 100)
    assert describe_difference(stub, WordJudge(), texts, sets, np.random.default_rng(0), QUICK) == []
    assert stub.shown == []


def test_a_judge_that_breaks_its_promise_is_refused():
    class Wrong:
        def __init__(self, values):
            self.values = values

        def holds(self, sentence, texts):
            return self.values

    rows = (np.arange(2), np.arange(2, 4))
    for values in ([0.5], [0.0, 2.0], [np.nan, 0.0]):
        with pytest.raises(ShapeError, match="judge: expected 2 numbers"):
            validated(["s"], Wrong(values), ["a", "b", "c", "d"], rows, np.random.default_rng(0), QUICK)
    with pytest.raises(ShapeError, match="at least 2"):
        validated(["s"], WordJudge(), ["a", "b"], (np.arange(1), np.arange(1, 2)), np.random.default_rng(0), QUICK)
    with pytest.raises(ConfigError, match="describe"):
        DescribeSettings(shown=0)
