from __future__ import annotations

import difflib
import random

import pytest
import torch

from vos.errors import ConfigError
from vos.generation.rules import Novelty, TextRules, words


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("He fell off the ladder and broke his arm.", None),
        ("Was it the gas that made them ill?", None),
        ("She said “leave the stove on.”", None),
        ("It’s what they’d all say, isn't it…", None),
        ("39 people fell off the ladder.", None),
        ("He fell.", "fewer words than min_words"),
        ("", "fewer words than min_words"),
        ("He fell off the ladder and broke", "unfinished sentence"),
        ("He fell off the ladder, and.. .. then he went.", "language debris"),
        ("He <|im_end|> fell off the ladder.", "language debris"),
        ("1. He fell off the ladder.", "language debris"),
        ("- He fell off the ladder.", "language debris"),
        ("He fell off the [ladder] today.", "language debris"),
        ("He screamed aaaaaaah and fell off.", "language debris"),
        ("She read it on www.example.org last night.", "personal data: an address of the web"),
        ("Write to him at joe.doe@mail.example, please now.", "personal data: an e-mail address"),
        ("It was @somebody who told me so.", "personal data: a user name"),
        ("Call him on 555-123 4567 right now.", "personal data: a long number"),
        ("They met in 1984 and in 2001 again.", None),
        ("He fell off the wall and fell off the ladder.", "repeated words"),
        ("One two three four five six seven eight nine.", "overlap with the prompt"),
        ("One two three four five six and then nine.", None),
    ],
)
def test_each_rule_names_its_reason(text, reason):
    assert TextRules().broken(text, ("zero one two three four five six seven.",)) == reason


def test_marks_are_asked_for_where_real_texts_have_them():
    text = "he fell off the ladder"
    rules = TextRules()
    assert rules.broken(text) == "unfinished sentence"
    assert rules.broken(text, ("no mark", "none here", "one here.")) is None
    assert rules.broken(text, ("no mark", "one here.")) == "unfinished sentence"
    assert rules.broken(text, ("one here.",), like=["no mark"]) is None
    assert rules.broken(text, ("no mark",), ended=False) == "unfinished sentence"


@pytest.mark.parametrize("end", ["they went to the", "they went,", "one of their", "it is said that", "they went -"])
def test_a_text_left_in_the_middle_is_unfinished_even_without_marks(end):
    assert TextRules().broken(f"people say {end}", ("no mark",)) == "unfinished sentence"
    assert TextRules().broken(f"people say {end} house", ("no mark",)) is None


def test_limits_are_settings():
    rules = TextRules(min_words=2, repeated=2, max_overlap=2)
    assert rules.broken("He fell.") is None
    assert rules.broken("He fell and he fell.") == "repeated words"
    assert rules.broken("He fell down.", ("she saw he fell down there.",)) == "overlap with the prompt"
    for options in ({"min_words": 0}, {"repeated": 0}, {"max_overlap": 0}, {"max_similarity": 0.0}):
        with pytest.raises(ConfigError, match="rules: expected"):
            TextRules(**options)


def test_words_keep_apostrophes():
    assert words("It’s, I don't KNOW.") == ["it’s", "i", "don't", "know"]


def indel(a, b):
    """Literal longest-common-subsequence similarity."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return 2 * table[-1][-1] / (len(a) + len(b))


def test_similarity_is_that_of_the_longest_common_subsequence():
    draw = random.Random(0)  # noqa: S311 - no secret
    known = ["".join(draw.choices("ab c", k=draw.randint(5, 15))) for _ in range(6)]
    texts = ["".join(draw.choices("ab C", k=draw.randint(5, 15))) for _ in range(20)]
    expected = [max(indel(text.lower(), other) for other in known) for text in texts]
    found = Novelty(known).similarity(texts, floor=0.0)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)
    floored = Novelty(known).similarity(texts, floor=0.69)
    torch.testing.assert_close(floored, torch.where(found >= 0.69, found, 0.0), atol=1e-6, rtol=0)
    # difflib aligns greedily, so it never finds more.
    ratios = [max(difflib.SequenceMatcher(None, t.lower(), k).ratio() for k in known) for t in texts]
    assert all(a <= b + 1e-6 for a, b in zip(ratios, found.tolist(), strict=True))


def test_copies_and_nothing():
    assert float(Novelty(["The Ladder fell."]).similarity(["the ladder FELL."])[0]) == pytest.approx(1.0)
    assert Novelty([]).similarity(["a"]).tolist() == [0.0]
    assert Novelty(["a"]).similarity([]).shape == (0,)
