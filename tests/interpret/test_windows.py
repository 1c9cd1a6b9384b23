"""What a classifier does not read is no word of a text: no effect, no random edit and no insertion there."""

import numpy as np
import pytest

from tests.interpret.toy_linear import LinearTokens, table_of
from vos.interpret.corpus_words import corpus_words
from vos.interpret.edits import random_flips
from vos.interpret.margins import MarginReader
from vos.interpret.saliency import deletion
from vos.interpret.shortcuts import choose_hosts, deletion_effects
from vos.interpret.windows import insertion_places, read_words, windows

WEIGHTS = {"zebra": 3.0, "kind": -5.0}
LONG = "zebra the word and the other word of a text that goes on"
"""Of which four tokens are read: only "zebra" decides."""


@pytest.fixture
def linear(tokenizer):
    return LinearTokens(tokenizer, table_of(tokenizer, WEIGHTS), max_length=6)


@pytest.fixture
def read(linear):
    return MarginReader(linear, bfloat16=False)


def test_the_window_is_at_the_side_that_is_kept(linear):
    texts = [LONG, "zebra", ""]
    assert [text[a:b] for text, (a, b) in zip(texts, windows(linear, texts), strict=True)] == [
        "zebra the word and", "zebra", ""
    ]  # fmt: skip
    linear.tokenizer.truncation_side = "left"
    try:
        ((start, end),) = windows(linear, [LONG])
    finally:
        linear.tokenizer.truncation_side = "right"
    assert LONG[start:end] == "that goes on" or LONG[start:end].endswith("goes on")
    assert read_words(LONG, (start, end))[-1] == 12
    assert insertion_places(LONG, (start, end))[-1] == 13
    assert insertion_places("", (0, 0)) == [0]
    assert insertion_places("word", (0, 0)) == [1]
    assert windows(linear, []) == []


def test_words_that_are_not_read_have_no_effect_of_their_own(read):
    (found,) = deletion(read, [LONG + " zebra"])
    assert [word.text for word in found.words] == ["zebra", "the", "word", "and"]
    # Without its last word the text would be as harmful by the zebra that moves into the window.
    assert found.values[0] == 3.0
    assert not found.values[1:].any()


def test_random_words_are_drawn_where_the_model_reads(read):
    # Any word that is read, in exchange for one that weighs more, flips the text.
    assert random_flips(read, [LONG], ["kind"], np.random.default_rng(0), draws=60) == pytest.approx([1.0])


def test_words_are_put_in_and_taken_out_where_they_are_read(linear, read):
    texts = [LONG, f"and then {LONG} zebra"]
    parts = windows(linear, texts)
    for seed in range(20):
        hosts = choose_hosts(texts, read(texts), np.random.default_rng(seed), n=2, read=parts)
        assert (read(hosts.with_word("kind")) < read(hosts.texts)).all()
    unread = [f"the word and the {i} zebra" for i in range(8)] + ["a zebra", "the zebra"]
    words = corpus_words(unread, min_word=2, min_phrase=99)
    words = words.at([words.words.index("zebra")])
    effect, _ = deletion_effects(read, unread, words, np.random.default_rng(0), 6, windows(linear, unread))
    assert effect[0] == 3.0
    alone = corpus_words(unread[:8], min_word=2, min_phrase=99)
    alone = alone.at([alone.words.index("zebra")])
    assert deletion_effects(read, unread[:8], alone, np.random.default_rng(0), 6, windows(linear, unread[:8]))[0] == 0
