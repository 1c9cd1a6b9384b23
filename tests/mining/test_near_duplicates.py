from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.mining.near_duplicates import FeatureDuplicateFilter, NearDuplicateFilter, RepeatFilter, shingles


def test_shingles_are_word_trigrams_whatever_the_case_and_the_marks():
    assert shingles("One two, THREE four!") == {"one two three", "two three four"}
    assert shingles("Two words") == {"two words"}
    assert shingles("...") == {"..."}
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
    seen = NearDuplicateFilter(0.7)
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


def cosine_by_hand(one, two):
    dot = sum(a * b for a, b in zip(one, two, strict=True))
    norms = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in two))
    return dot / norms if norms else 0.0


VECTORS = st.lists(st.integers(-3, 3), min_size=3, max_size=3)


@given(st.lists(VECTORS, max_size=40), VECTORS, st.sampled_from([0.1, 0.5, 0.9, 0.99]))
def test_repeats_by_features_are_those_of_the_cosine(remembered, new, threshold):
    seen = FeatureDuplicateFilter(threshold)
    for i, row in enumerate(remembered):
        seen.add(str(i), torch.tensor(row))
    cosines = [cosine_by_hand(row, new) for row in remembered]
    found = seen.duplicate_of(torch.tensor(new))
    if max(cosines, default=0.0) < threshold - 1e-9:
        assert found is None
    elif max(cosines) > threshold + 1e-9:
        assert cosines[int(found)] == pytest.approx(max(cosines))


def test_the_length_of_features_does_not_matter_and_zero_repeats_nothing():
    seen = FeatureDuplicateFilter(1.0)
    seen.add("zero", torch.zeros(2))
    seen.add("one", torch.tensor([1.0, 0.0]))
    assert seen.duplicate_of(torch.tensor([5.0, 0.0])) == "one"
    assert seen.duplicate_of(torch.tensor([-5.0, 0.0])) is None
    assert seen.duplicate_of(torch.zeros(2)) is None


def test_words_are_looked_at_before_features_and_reasons_name_the_place():
    directions = {"one two three four": [1.0, 0.0], "five six seven eight": [0.0, 1.0], "nine ten eleven": [1.0, 0.1]}
    asked = []

    def featurize(texts):
        asked.extend(texts)
        return torch.tensor([directions.get(text, [-1.0, -1.0]) for text in texts])

    seen = RepeatFilter({"k": "one two three four"}, 0.7, 0.9, featurize)
    assert seen.take("a", "One two three four!") == "near-duplicate of a labelled text"
    assert asked == ["one two three four"]
    assert seen.take("b", "nine ten eleven") == "features of a labelled text"
    assert seen.take("c", "five six seven eight") is None
    assert seen.take("d", "five six seven eight") == "near-duplicate in batch"
    assert seen.take("e", "p q r s") is None
    assert seen.take("f", "t u v w") == "features of another in batch"
    words_alone = RepeatFilter({}, 0.7, None, None)
    assert words_alone.take("a", "nine ten eleven") is None


def test_texts_without_words_are_compared_by_their_characters():
    party, tears, stop = "\U0001f389\U0001f388\U0001f382", "\U0001f62d\U0001f62d\U0001f494", "!!! ???"
    seen = RepeatFilter({"known": party}, 0.7, None, None)
    assert [seen.take(str(i), text) for i, text in enumerate((tears, stop, f" {party} ", "!!!???", "", "..."))] == [
        None, None, "near-duplicate of a labelled text", "near-duplicate in batch", None, None,
    ]  # fmt: skip
    assert shingles("") == shingles("  ") == {""}


def test_texts_that_share_an_id_are_all_remembered():
    seen = RepeatFilter({}, 0.7, None, None)
    texts = ("one two three four", "five six seven eight", "five six seven eight")
    assert [seen.take("1", text) for text in texts] == [None, None, "near-duplicate in batch"]
