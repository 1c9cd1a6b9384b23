"""Words and edits: closed forms, and properties that hold for any text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.interpret.words import inserted, is_sign, replaced, split_words, without


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t ", []),
        ("Zebra", ["zebra"]),
        ("no!!?! way", ["no", "!!", "?", "!", "way"]),
        (
            "They’re here, they're well-known -- 'so'",
            ["they're", "here", ",", "they're", "well-known", "--", "'", "so", "'"],
        ),
        ("and/or @user #tag", ["and", "/", "or", "@", "user", "#", "tag"]),
        ("👩‍👩‍👧👩‍👩‍👧 👍🏽!", ["👩‍👩‍👧👩‍👩‍👧", "👍🏽", "!"]),
        ("שלום \u200fעולם\u202e abc", ["שלום", "עולם", "abc"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("我爱你", ["我", "爱", "你"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("<img src=x>", ["<", "img", "src", "=", "x", ">"]),
    ],
)
def test_words_of_a_text(text, words):
    assert [word.text for word in split_words(text)] == words


SIGNS = "aBß3é’'-!?,.\u2010\u00ad\u200d\u200f\u202e\u0301\ufe0f👍🏽👩我カह\u093f ש<>_#\n\t\x00\u3000\ud800"


@given(st.text(SIGNS, max_size=40))
def test_words_lie_in_order_and_leave_nothing_out_but_spaces_and_marks(text):
    words = split_words(text)
    ends = [0, *(word.end for word in words)]
    starts = [*(word.start for word in words), len(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
    left = "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
    assert not any(character.isalnum() for character in left)
    assert all(word.text and word.end > word.start for word in words)


def test_a_long_text_of_any_kind_is_split_in_a_moment():
    start = time.perf_counter()
    for piece in ("word, ", "a'", "-", "a-", "\u0301", "👩‍", "!?", "我"):
        text = piece * (20_000 // len(piece))
        words = split_words(text)
        assert without(text, [(word.start, word.end) for word in words]).strip(" '-‍👩") == ""
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("a big dog", [(2, 5)], "a dog"),
        ("a dog", [(2, 5)], "a"),
        ("a dog", [(0, 1)], "dog"),
        ("a dog", [], "a dog"),
        ("a  b", [], "a  b"),
        ("a dog, b", [(2, 5)], "a, b"),
        ("a dog , b", [(2, 5)], "a , b"),
        ("no!! way", [(2, 4)], "no way"),
        ("and/or", [(3, 4)], "and or"),
        ("我爱你", [(1, 2)], "我你"),
        ("a\nb c", [(2, 3)], "a\nc"),
        ("abcdef", [(3, 5), (1, 4)], "af"),
        ("word", [(0, 4)], ""),
        ("x y x y x", [(0, 1), (4, 5), (8, 9)], "y y"),
    ],
)
def test_a_text_without_spans(text, spans, expected):
    assert without(text, spans) == expected


@given(st.text("ab !,é", max_size=20), st.data())
def test_without_a_word_the_other_words_stay(text, data):
    words = split_words(text)
    cut = data.draw(st.sets(st.integers(0, len(words) - 1))) if words else set()
    found = "".join(without(text, [(words[i].start, words[i].end) for i in cut]).split())
    kept = "".join(text[word.start : word.end] for i, word in enumerate(words) if i not in cut)
    assert found == kept


def test_a_replaced_word_keeps_its_capital():
    assert replaced("The Dog barks", 4, 7, "cat") == "The Cat barks"
    assert replaced("the dog barks", 4, 7, "cat") == "the cat barks"
    assert replaced("THE DOG", 4, 7, "cat") == "THE CAT"
    assert replaced("I am", 0, 1, "they") == "They am"
    assert replaced("so!!", 2, 4, ".") == "so."


def test_an_inserted_word_stands_where_it_is_asked_for():
    assert [inserted("a dog barks", i, "zebra") for i in range(5)] == [
        "zebra a dog barks",
        "a zebra dog barks",
        "a dog zebra barks",
        "a dog barks zebra",
        "a dog barks zebra",
    ]
    assert inserted("", 0, "zebra") == "zebra"
    assert inserted("so, no", 1, "zebra") == "so zebra , no"
    assert inserted("so no", 1, "!!") == "so!! no"
    assert inserted("so no ", 2, "for now") == "so no for now"


@given(st.text("ab !,é", max_size=20), st.integers(0, 12))
def test_an_inserted_word_is_found_again(text, place):
    before = [word.text for word in split_words(text)]
    after = [word.text for word in split_words(inserted(text, place, "zebra"))]
    at = min(place, len(before))
    assert after == [*before[:at], "zebra", *before[at:]]


def test_signs():
    assert [is_sign(word) for word in ("!!", "👍", "a", "3", "it's", "-")] == [True, True, False, False, False, True]
