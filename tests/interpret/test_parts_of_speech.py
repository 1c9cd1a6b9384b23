"""Parts of speech: an optional extra."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vos.errors import ConfigError
from vos.interpret.parts_of_speech import PartOfSpeechTagger, agreement_with_senses, part_of, parts_at


def test_a_word_is_parted_by_its_part_of_speech():
    pytest.importorskip("HanTa")
    tagger = PartOfSpeechTagger()
    texts = ["They run to the river.", "He had a run of luck!!", "We run.", "A long run"]
    starts = [text.index("run") for text in texts]
    assert parts_at(tagger, texts, starts) == ["verb", "noun", "verb", "noun"]
    assert parts_at(tagger, texts[:1], [1]) == ["other"]
    assert tagger("") == []


def test_names_of_tags_are_plain_words():
    tags = ("NN1", "NP0", "VVD", "AJ0", "AV0", "PNP", "PRP", "CJC", "AT0", "CRD", "PUN", "UNC")
    assert [part_of(tag) for tag in tags] == [
        *("noun", "name", "verb", "adjective", "adverb", "pronoun"),
        *("preposition", "conjunction", "determiner", "number", "sign", "other"),
    ]


def test_agreement_is_one_for_the_same_split_and_none_by_chance():
    parts = ["noun", "verb"] * 10
    assert agreement_with_senses(parts, np.array([0, 1] * 10)) == pytest.approx(1.0)
    assert abs(agreement_with_senses(parts, np.array([0, 0, 1, 1] * 5))) < 0.1


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "HanTa", None)
    monkeypatch.setitem(sys.modules, "HanTa.HanoverTagger", None)
    with pytest.raises(ConfigError, match=r"parts of speech needs the package HanTa .*\[pos\]"):
        PartOfSpeechTagger()
