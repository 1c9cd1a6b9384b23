"""Differences between sets of texts: planted ones are found and confirmed, random sets show none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from vos.errors import ConfigError, ShapeError
from vos.interpret.differences import DifferenceSettings, difference
from vos.interpret.terms import informative_prior, log_odds, term_matrix

QUICK = DifferenceSettings(permutations=60)


def texts_of(n, seed, length=9, words=60):
    draw = np.random.default_rng(seed)
    shares = 1 / np.arange(2, words + 2)
    rows = draw.choice(words, size=(n, length), p=shares / shares.sum())
    return [" ".join(f"w{i}" for i in row) for row in rows]


def planted(n=300, seed=0):
    """Texts whose first half holds "zebra", "for now" and "!!" far more often."""
    texts = texts_of(n, seed)
    draw = np.random.default_rng(seed + 1)
    for i in range(n):
        rate = 0.3 if i < n // 2 else 0.02
        for plant in (" zebra", " for now", " !!"):
            texts[i] += plant if draw.random() < rate else ""
    first = np.arange(n) < n // 2
    return texts, first


def test_a_planted_difference_is_found_first_and_confirmed():
    texts, first = planted()
    found = difference(term_matrix(texts), first, ~first, np.random.default_rng(0), QUICK)
    top = {term.term for term in found.terms[:5]}
    assert {"zebra", "!!"} <= top
    assert top & {"for", "now", "for now"}
    assert found.reliable
    assert found.p == pytest.approx(1 / 61)
    for term in found.terms[:3]:
        assert term.confirmed
        assert 0 < term.low < term.high
        assert term.a_count > term.b_count
        assert len(term.texts) == 3
        assert all(first[i] and term.term.split()[0] in texts[i] for i in term.texts)


def test_sets_swapped_give_the_terms_with_the_other_sign():
    texts, first = planted()
    matrix = term_matrix(texts)
    there = difference(matrix, first, ~first, np.random.default_rng(0), QUICK)
    back = difference(matrix, ~first, first, np.random.default_rng(0), QUICK)
    z = {term.term: term.z for term in back.terms}
    for term in there.terms[:3]:
        assert z[term.term] == pytest.approx(-term.z)
    assert all(term.high < 0 for term in back.terms if term.confirmed and term.z < 0)


def test_z_is_of_one_half_the_interval_of_the_other_and_the_counts_of_both(monkeypatch):
    texts, first = planted()
    matrix = term_matrix(texts)
    monkeypatch.setattr("vos.interpret.differences._half", lambda sets, generator: np.arange(300) % 2 == 0)
    term = difference(matrix, first, ~first, np.random.default_rng(0), QUICK).terms[0]
    sets = sets_of(texts)
    a, b = (np.array([sum(t in own for own in split) for t in matrix.terms], dtype=float) for split in sets)
    j, prior = matrix.terms.index(term.term), informative_prior(a + b, 500.0)
    assert (term.a_count, term.b_count) == (a[j], b[j])
    halves = []
    for k in (0, 1):
        counts = [np.array([sum(t in own for own in split[k::2]) for t in matrix.terms], dtype=float) for split in sets]
        halves.append([values[j] for values in log_odds(*counts, prior)])
    assert term.z == pytest.approx(halves[0][0] / halves[0][1])
    assert (term.low + term.high) / 2 == pytest.approx(halves[1][0])
    assert (term.high - term.low) / 2 == pytest.approx(1.96 * halves[1][1], rel=1e-4)


def sets_of(texts):
    """The words and pairs of words of each text, of the first and of the second half."""
    found = []
    for text in texts:
        words = text.split()
        pairs = {f"{x} {y}" for x, y in itertools.pairwise(words) if "!!" not in (x, y)}
        found.append(set(words) | pairs)
    return found[: len(found) // 2], found[len(found) // 2 :]


def test_texts_dealt_at_random_stay_quiet():
    # A pair of sets errs with probability 3/61 at most; 60 dealt pairs err more than 9 times once in 1,500 runs.
    texts = texts_of(160, seed=3)
    matrix = term_matrix(texts)
    draw = np.random.default_rng(4)
    settings = DifferenceSettings(permutations=60)
    assert settings.allowed == 3
    loud = 0
    for _ in range(60):
        first = np.zeros(160, dtype=bool)
        first[draw.permutation(160)[:80]] = True
        found = difference(matrix, first, ~first, draw, settings)
        loud += bool(found.terms)
        assert not found.reliable
    assert stats.binom.sf(9, 60, 3 / 61) < 1 / 1500
    assert loud <= 9


def test_terms_that_chance_proposed_are_seldom_confirmed():
    """80 pairs of 100 dealt texts each; half of them propose a term by chance, so that there are many to confirm.

    Each is confirmed with probability .025 at most: more than the bound are confirmed once in 1,000 such tests. Had the
    confirming texts a part in the choice, many would be confirmed.
    """
    texts = texts_of(200, seed=5, words=200)
    matrix = term_matrix(texts)
    draw = np.random.default_rng(6)
    settings = DifferenceSettings(permutations=40, level=0.5, prior=50.0)  # a stronger prior confirms less
    terms = []
    for _ in range(80):
        first = np.zeros(200, dtype=bool)
        first[draw.permutation(200)[:100]] = True
        terms += difference(matrix, first, ~first, draw, settings).terms
    assert len(terms) > 40
    assert sum(term.confirmed for term in terms) <= stats.binom.isf(1e-3, len(terms), 0.025)


def test_a_phrase_that_says_no_more_than_its_word_is_left_out():
    texts, first = planted()
    texts = [text.replace("zebra", "zebra crossing") for text in texts]
    found = difference(term_matrix(texts), first, ~first, np.random.default_rng(0), QUICK)
    assert sum("zebra" in term.term or "crossing" in term.term for term in found.terms) <= 2
    # "crossing" shares no word with "zebra", the phrase does with either.
    assert "zebra crossing" not in {t.term for t in found.terms} or len(found.terms) == 1


def test_a_difference_of_one_half_alone_is_not_confirmed(monkeypatch):
    texts, first = planted()
    half = np.arange(300) % 2 == 0
    texts = [text if even else text.replace(" zebra", "") for text, even in zip(texts, half, strict=True)]
    monkeypatch.setattr("vos.interpret.differences._half", lambda sets, generator: half)
    settings = DifferenceSettings(permutations=60, at_least=1)
    found = difference(term_matrix(texts), first, ~first, np.random.default_rng(0), settings)
    zebra = [term for term in found.terms if term.term == "zebra"]
    assert zebra
    assert not zebra[0].confirmed


def test_few_confirmed_terms_are_no_reliable_difference():
    texts, first = planted()
    texts = [text.replace(" !!", "").replace(" for now", "") for text in texts]
    found = difference(term_matrix(texts), first, ~first, np.random.default_rng(0), QUICK)
    assert [term.term for term in found.terms if term.confirmed] == ["zebra"]
    assert not found.reliable
    assert "no reliable difference" in found.sentence


def test_the_same_generator_gives_the_same_terms():
    texts, first = planted()
    matrix = term_matrix(texts)
    once, again = (difference(matrix, first, ~first, np.random.default_rng(7), QUICK) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(("n_a", "n_b"), [(0, 300), (1, 299), (300, 0), (19, 100)])
def test_sets_that_are_too_small_say_so(n_a, n_b):
    texts, _ = planted()
    rows = np.arange(300)
    found = difference(
        term_matrix(texts), rows < n_a, (rows >= n_a) & (rows < n_a + n_b), np.random.default_rng(0), QUICK
    )
    assert (found.n_a, found.n_b, found.terms, found.reliable, found.threshold) == (n_a, n_b, (), False, None)
    assert "too few texts" in found.sentence


def test_texts_without_shared_words_say_so():
    texts = [f"own{i}" for i in range(80)]
    first = np.arange(80) < 40
    found = difference(term_matrix(texts), first, ~first, np.random.default_rng(0), QUICK)
    assert "too few words" in found.sentence


def test_masks_that_overlap_or_do_not_fit_are_refused():
    matrix = term_matrix(texts_of(60, seed=0))
    whole = np.ones(60, dtype=bool)
    with pytest.raises(ShapeError, match="60 texts that are in both"):
        difference(matrix, whole, whole, np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"expected a mask \(60,\) bool"):
        difference(matrix, whole[:5], ~whole, np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [{"prior": 0}, {"permutations": 10}, {"level": 1.0}, {"at_least": 0}, {"fewest": 1}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match="differences"):
        DifferenceSettings(**wrong)
