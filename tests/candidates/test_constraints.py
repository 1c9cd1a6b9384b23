from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.candidates.constraints import NearDuplicateFilter, shingles


def test_shingles_are_word_trigrams_whatever_the_case_and_the_marks():
    assert shingles("One two, THREE four!") == {"one two three", "two three four"}
    assert shingles("Two words") == {"two words"}
    assert shingles("...") == {""}
    assert shingles("cafe\u0301 au lait") == shingles("caf\u00e9 au lait")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), st.lists(st.sampled_from("abcde"), min_size=1))
def test_a_reported_duplicate_reaches_the_threshold(first, second):
    seen = NearDuplicateFilter(0.5)
    seen.add("first", " ".join(first))
    one, two = shingles(" ".join(first)), shingles(" ".join(second))
    found = seen.duplicate_of(" ".join(second))
    if found is not None:
        assert len(one & two) / len(one | two) >= 0.5


def test_near_duplicates_are_found_and_others_are_not():
    words = [f"w{i}" for i in range(30)]
    text = " ".join(words)
    seen = NearDuplicateFilter(0.7)
    seen.add("a", text)
    assert seen.duplicate_of(text.upper()) == "a"
    assert seen.duplicate_of(" ".join([*words[:-1], "x"])) == "a"  # 27 of 29 shingles: 0.93
    assert seen.duplicate_of(" ".join(words[:15])) is None  # 13 of 28: 0.46
    assert seen.duplicate_of(" ".join(reversed(words))) is None


def test_the_exact_index_decides_where_the_hash_only_guesses():
    # A text of four words sharing 1 of 3 shingles: the hash may propose it, the exact index (0.33) refuses it.
    seen = NearDuplicateFilter(0.35)
    for i, pair in enumerate(itertools.permutations("klmnop", 2)):
        seen.add(str(i), f"a b c {pair[0]}{i}")
    assert seen.duplicate_of("a b c q") is None


def test_the_first_text_of_a_key_stays():
    seen = NearDuplicateFilter()
    seen.add("k", "one two three four")
    seen.add("k", "five six seven eight")
    assert seen.duplicate_of("one two three four") == "k"
    assert seen.duplicate_of("five six seven eight") is None


def test_pairs_just_above_the_threshold_are_found():
    # 18 of 24 shingles shared: 0.75. One hash of 128 permutations misses such a pair in well under 1 % of cases.
    missed = 0
    for i in range(60):
        seen = NearDuplicateFilter(0.7)
        words = [f"w{i}x{j}" for j in range(20)]
        seen.add("a", " ".join([*words, "p", "q", "r"]))
        missed += seen.duplicate_of(" ".join([*words, "s", "t", "u"])) is None
    assert missed <= 3


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_equal_texts_are_duplicates_at_every_threshold(threshold):
    seen = NearDuplicateFilter(threshold)
    seen.add("k", "one two three four")
    assert seen.duplicate_of("One two three four.") == "k"
