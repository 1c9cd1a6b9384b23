"""Substitutes of a token, and the value that they leave."""

import numpy as np
import torch

from vos.interpret.activations import TAKEN_OUT
from vos.interpret.pruning import Pruned, run_together
from vos.interpret.substitutes import MaskedLanguageModel, NearestTokens, substitutes, whole_words

VECTORS = np.array([[0.0, 1.0], [1.0, 0.02], [1.0, 0.0], [0.9, 0.2], [-1.0, 0.0], [0.0, -1.0]])


def test_the_nearest_allowed_tokens_by_cosine():
    propose = NearestTokens(VECTORS, [0, 1, 3, 4, 5], n=2)
    centred = VECTORS - VECTORS.mean(0)
    cosine = centred @ centred[2] / np.linalg.norm(centred, axis=1) / np.linalg.norm(centred[2])
    expected = sorted([0, 1, 3, 4, 5], key=lambda i: -cosine[i])[:2]
    assert propose((9, 2, 2), [1, 2]) == [expected, expected]
    assert 3 not in propose((3,), [0])[0]


def test_a_masked_language_model_reads_what_is_left():
    seen = []

    def logits(ids):
        seen.append(ids.tolist())
        return torch.nn.functional.one_hot((ids + 1) % 10, 10).float() + torch.arange(10) / 100

    propose = MaskedLanguageModel(logits, first=[8], last=[9], mask=7, allowed=range(7), n=2)
    assert propose((1, TAKEN_OUT, 3), [0, 2]) == [[6, 5], [6, 5]]
    assert seen == [[[8, 7, 7, 3, 9], [8, 1, 7, 7, 9]]]
    assert propose((6,), [0]) == [[5, 4]]
    assert propose((1,), []) == []


def test_those_that_keep_half_are_kept_with_their_share():
    values = {1: 1.0, 2: 0.5, 3: 0.49, 4: 2.0}

    def read(rows):
        assert all(len(row) == 3 and row[0] == TAKEN_OUT for row in rows)
        return np.array([[values[row[1]]] for row in rows], dtype=np.float32)

    pruned = Pruned((9, 1, 8), (1,), 1.2, 1.0, 0.6, (1.0,))
    (found,) = run_together([(0, substitutes(pruned, lambda row, places: [[2, 3, 4]]))], read)
    assert found == [[(2, 0.5), (4, 1.0)]]
    (none,) = run_together([(0, substitutes(pruned, lambda row, places: [[]]))], read)
    assert none == [[]]


def test_whole_words_of_both_ways_to_write_a_vocabulary(tokenizer):
    words = whole_words(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(words)
    assert len(words) > 15_000
    assert all(piece.isalpha() and len(piece) > 1 for piece in pieces)

    class Spaced:
        all_special_ids = (0,)

        def get_vocab(self):
            return {"<s>": 0, "Ġzebra": 1, "zebra": 2, "Ġ!!": 3, "Ġa": 4, "▁horse": 5}

    assert whole_words(Spaced()) == [1, 5]
