"""The measures of the generation benchmark against literal versions and hand-computed values."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.corpus.text_metrics import Trigrams, bleu, distinct, percentiles, self_bleu
from benchmarks.generation.figures import Judged, Rule, Unit, apart, best_of, compared, control, shuffled

TEXTS = ["the dog ran home", "the dog ran to the river", "a cat sat near the old river bank", "the dog ran home again"]


def literal_bleu(candidate, references):
    product = 1.0
    for n in range(1, 5):
        grams = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
        matched = 0
        for gram in set(grams):
            most = max(sum(tuple(ref[i : i + n]) == gram for i in range(len(ref) - n + 1)) for ref in references)
            matched += min(grams.count(gram), most)
        product *= max(matched, 0.5) / len(grams)
    closest = sorted((abs(len(ref) - len(candidate)), len(ref)) for ref in references)[0][1]
    return (1.0 if len(candidate) >= closest else math.exp(1 - closest / len(candidate))) * product**0.25


def test_bleu_equals_the_literal_version():
    rows = [text.split() for text in TEXTS]
    for i, row in enumerate(rows):
        others = rows[:i] + rows[i + 1 :]
        assert bleu(row, others) == pytest.approx(literal_bleu(row, others))
    assert self_bleu(TEXTS) == pytest.approx(
        sum(literal_bleu(row, rows[:i] + rows[i + 1 :]) for i, row in enumerate(rows)) / 4
    )
    assert bleu(rows[1], [rows[1]]) == pytest.approx(1.0)
    assert self_bleu(TEXTS[:1]) == bleu([], rows) == 0.0


def test_distinct_counts_different_grams():
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert distinct(["a"], 2) == 0.0


def test_trigram_probabilities_sum_to_one_and_equal_the_literal_ones():
    model = Trigrams(TEXTS, discount=0.6)
    for context in ((), ("the",), ("the", "dog"), ("<s>", "<s>"), ("dog", "ran"), ("never", "seen")):
        assert sum(model.probability((*context, word)) for word in model.vocabulary) == pytest.approx(1.0)
    vocabulary = {w for w, c in Counter(" ".join(TEXTS).split()).items() if c > 1}
    framed = [["<s>", "<s>", *(w if w in vocabulary else "<unk>" for w in t.split()), "</s>"] for t in TEXTS]
    grams = [tuple(row[i : i + 3]) for row in framed for i in range(len(row) - 2)]
    kinds = set(grams)
    pairs = sorted({gram[1:] for gram in kinds})

    def one(word):
        behind = [p for p in pairs if p[1] == word]
        lower = 0.6 * len({p[1] for p in pairs}) / len(pairs) / (len(vocabulary) + 2)
        return max(len(behind) - 0.6, 0) / len(pairs) + lower

    def two(a, word):
        rows = [g for g in kinds if g[1] == a]
        own = [g for g in rows if g[2] == word]
        return max(len(own) - 0.6, 0) / len(rows) + 0.6 * len({g[2] for g in rows}) / len(rows) * one(word)

    def three(a, b, word):
        rows = [g for g in grams if g[:2] == (a, b)]
        own = [g for g in rows if g[2] == word]
        return max(len(own) - 0.6, 0) / len(rows) + 0.6 * len({g[2] for g in rows}) / len(rows) * two(b, word)

    assert model.probability(("dog", "ran", "home")) == pytest.approx(three("dog", "ran", "home"))
    assert model.probability(("the", "dog", "<unk>")) == pytest.approx(three("the", "dog", "<unk>"))
    assert model.perplexity("the dog ran home") < model.perplexity("home the ran dog")


def test_percentiles_count_ties_half():
    assert percentiles([1.0, 2.0, 5.0], [1.0, 2.0, 2.0, 4.0]) == [0.125, 0.5, 1.0]


def judged(text, place, margin=0.0, flaw=None, similarity=0.3):
    return Judged(text, flaw, similarity, margin, place)


def unit(target, texts, arm="plain", tokens=100, seed=0, place=None, margin=0.0):
    return Unit(seed, arm, target, margin, place or (float(target), 0.0), 0.5, tokens, 9, 1.0, tuple(texts))


RULE = Rule(unit=1.0, distance=0.5, delta=0.5)


def test_what_counts_and_why_not():
    own = unit(0, [])
    assert RULE.reason(judged("a", (0.5, 0.0)), own) is None
    assert judged("a", (0.6, 0.8)).distance((0.0, 0.0), 0.5) == pytest.approx(math.sqrt(0.5) / 0.5)
    assert RULE.reason(judged("a", (0.8, 0.0)), own) == "too far"
    assert RULE.reason(judged("a", (0.0, 0.0), margin=-0.6), own) == "outside the band"
    assert RULE.reason(judged("a", (0.0, 0.0), similarity=0.7), own) == "near-copy of a real text"
    assert RULE.reason(judged("a", (0.0, 0.0), flaw="a stump"), own) == "a stump"
    twice = unit(0, [judged("a", (0.0, 0.0)), judged("a", (0.0, 0.0)), judged("b", (9.0, 0.0))])
    assert [text.text for text in RULE.accepted(twice)] == ["a"]


def test_texts_that_share_a_beginning_are_not_apart():
    assert apart(["we walked to the old mill today", "we walked to the old mill again", "nothing alike"]) == [
        "we walked to the old mill today",
        "nothing alike",
    ]


def test_the_placebo_answers_with_the_texts_of_another_target():
    units = [unit(t, [judged(f"text {t}", (float(t), 0.0))]) for t in range(3)]
    placebo = shuffled(units)
    assert [u.texts[0].text for u in placebo] == ["text 1", "text 2", "text 0"]
    assert [u.place for u in placebo] == [u.place for u in units]
    assert [len(RULE.accepted(u)) for u in placebo] == [0, 0, 0]
    assert control(units, RULE)["top1"] == 1.0
    assert control(placebo, RULE) | {"top1": 0.0, "chance": pytest.approx(1 / 3)} == control(placebo, RULE)
    assert shuffled(units[:1]) == []


def test_best_of_takes_the_nearest_of_every_eight_and_pays_for_all():
    texts = [judged(f"t{i}", (1.0 - i / 10, 0.0), flaw="stump" if i == 7 else None) for i in range(8)]
    (best,) = best_of([unit(0, [*texts, judged("rest", (0.0, 0.0))])], RULE)
    assert [text.text for text in best.texts] == ["t6"]
    assert best.tokens == 100


def test_the_paired_ratio_and_its_interval():
    one = [judged("one apple fell", (0.0, 0.0))]
    two = [*one, judged("seven ships sank", (0.0, 0.0))]
    base = [unit(t, one, place=(0.0, 0.0)) for t in range(6)]
    same = compared([replace(u, texts=tuple(two), tokens=50) for u in base], base, RULE)
    assert same["ratio"] == pytest.approx([4.0, 4.0, 4.0])
    assert same["difference"] == pytest.approx([30.0, 30.0, 30.0])
    nothing = [replace(u, texts=()) for u in base]
    assert compared(base, nothing, RULE)["ratio"] == [None, None, None]
    assert compared(base, [], RULE) == {}


def test_margins_asked_and_reached_lie_on_their_line():
    units = [
        unit(t, [judged(f"{t}", (float(t), 0.0), margin=0.5 * m)], margin=m) for t, m in enumerate((-2.0, 0.0, 2.0))
    ]
    found = control(units, RULE)
    assert found["slope"] == pytest.approx(0.5)
    assert found["r2"] == pytest.approx(1.0)
    assert found["distance_median"] == 0.0
