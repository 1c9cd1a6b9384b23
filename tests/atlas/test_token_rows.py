"""Tokens of the model in the page: their names with any tokenizer, and the texts that have them."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.atlas.artefacts import write_artefacts
from tests.atlas.worlds import tiny_world
from vos.atlas.page_data import read_artefacts, slim
from vos.atlas.produce_importance import produce
from vos.atlas.sealing import seal
from vos.atlas.settings import AtlasSettings
from vos.atlas.token_rows import TokenRows

TEXTS = ("the boys of the bank", "a boy", "bank holiday", "bo ys")


@pytest.fixture(scope="module")
def byte_level():
    """A byte-level tokenizer, whose tokens carry the space before a word."""
    merges = [("Ġ", "b"), ("Ġb", "o"), ("Ġbo", "y"), ("b", "o"), ("bo", "y"), ("t", "h"), ("th", "e"), ("Ġ", "the")]
    pieces = dict.fromkeys([*pre_tokenizers.ByteLevel.alphabet(), *("".join(pair) for pair in merges)])
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made)


def rows(table, *names):
    return {name: list(accumulate(gaps)) for name, gaps in table.of(names).items()}


def test_a_token_with_a_space_begins_a_word_and_another_continues_one(byte_level):
    table = TokenRows(byte_level, TEXTS, 512)
    assert rows(table, "boy", "##s", "the", "##the", "Ġboy") == {
        "boy": [0, 1], "##s": [0, 3], "the": [0], "##the": [0]
    }  # fmt: skip
    ids = byte_level("the boys!")["input_ids"]
    assert [table.name(token) for token in ids] == ["##the", "boy", "##s", "!"]


def test_a_part_of_a_character_keeps_its_own_name(byte_level):
    table = TokenRows(byte_level, ("é",), 512)
    parts = byte_level("é")["input_ids"]
    assert len({table.name(token) for token in parts}) == len(parts) == 2


def test_word_pieces_are_looked_up_by_token_not_by_letter(tokenizer):
    texts = ("playfulness wins", "the witness", "he is playful")
    table, read = TokenRows(tokenizer, texts, 512), [set(row) for row in tokenizer(list(texts))["input_ids"]]
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    found = rows(table, *pieces)
    for token in set().union(*read) - set(tokenizer.all_special_ids):
        assert found.pop(pieces[token]) == [i for i, row in enumerate(read) if token in row]
    assert found == {}
    assert rows(TokenRows(tokenizer, ("one two three four",), 4), "one", "four") == {"one": [0]}


def test_a_producer_writes_the_rows_of_its_tokens(tiny_encoder):
    world = tiny_world(tiny_encoder)
    found = produce(world, AtlasSettings(n_texts=80, n_outliers=4))
    shown = {token for each in found["top"] for token in each["tokens"]}
    assert shown == set(found["token_rows"])
    tokenizer = world.classifier.tokenizer
    for name, gaps in found["token_rows"].items():
        token = tokenizer.convert_tokens_to_ids(name)
        assert list(accumulate(gaps)) == [
            i for i, text in enumerate(world.texts.text) if token in tokenizer(text)["input_ids"]
        ]


def test_a_blind_page_has_the_rows_in_its_own_order(tmp_path):
    write_artefacts(tmp_path, 40)
    shown = slim(read_artefacts(tmp_path))
    blind, _ = seal(shown)
    for name, gaps in shown["texts"]["tokens"].items():
        uids = {shown["texts"]["uid"][i] for i in accumulate(gaps)}
        assert uids == {blind["texts"]["uid"][i] for i in accumulate(blind["texts"]["tokens"][name])}
    assert len(shown["texts"]["tokens"]) > 10
    assert np.any(
        [shown["texts"]["tokens"][name] != blind["texts"]["tokens"][name] for name in shown["texts"]["tokens"]]
    )
