"""Vocabulary of units: planted units that promote the tokens they respond to pass, random ones do not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import toy_examples
from vos.errors import ModelError
from vos.interpret.importance import TokenActivations, screen_units
from vos.interpret.units import UnitReader
from vos.interpret.vocabulary import cosines, largest, layer_vocabulary, pairing_p
from vos.models import EncoderClassifier

N_TOKENS, N_UNITS, D = 120, 300, 24


class Planted:
    """Units of one layer: some write towards the tokens that they fire at, all others towards random ones."""

    def __init__(self, n_planted, seed=0):
        rng = np.random.default_rng(seed)
        self.table = rng.normal(size=(N_TOKENS * 2, D)) + 5.0  # all alike but for the rest: they must be centred
        self.ids = np.arange(0, 2 * N_TOKENS, 2)
        activation = rng.normal(size=(N_UNITS, N_TOKENS))
        centred = self.table[self.ids] - self.table[self.ids].mean(0)
        self.vectors = rng.normal(size=(N_UNITS, D))
        for unit in range(n_planted):
            liked = largest(centred[[unit]] @ centred.T, 8)[0]
            activation[unit, liked] += 10
            self.vectors[unit] = centred[unit] * 0.3
        self.tokens = TokenActivations(self.ids, np.full(N_TOKENS, 9), activation[None].astype(np.float32))

    def input_embeddings(self):
        return self.table

    def output_vectors(self, layer):
        return self.vectors


def test_planted_units_pass_and_the_others_do_not():
    model = Planted(40)
    found = layer_vocabulary(model, model.tokens, 0, range(60), np.random.default_rng(0))
    assert found.p == pytest.approx(1 / 1000)
    shown = set(found.shown)
    assert len(shown & set(range(40))) >= 38
    assert len(shown - set(range(40))) <= 2  # 20 others at p < .01
    assert found.chance == pytest.approx(100 / N_TOKENS)
    asked, others = found.means
    assert asked > 3 > 1.5 > others


def test_the_numbers_are_those_of_a_literal_count():
    model = Planted(5)
    found = layer_vocabulary(model, model.tokens, 0, range(20), np.random.default_rng(0))
    centred = model.table[model.ids] - model.table[model.ids].mean(0)
    own, others = [], []
    for unit in (0, 7, 30):
        cosine = [v @ model.vectors[unit] / np.linalg.norm(v) for v in centred]
        written = {int(model.ids[i]) for i in np.argsort(cosine)[-10:]}
        assert set(found.writes[unit].tolist()) == written
        fired = [
            {int(model.ids[i]) for i in np.argsort(model.tokens.means[0, other])[-10:]} for other in range(N_UNITS)
        ]
        assert set(found.fires[unit].tolist()) == fired[unit]
        own = len(written & fired[unit])
        others = [len(written & fired[other]) >= own for other in range(N_UNITS)]
        assert found.overlap[unit] == own
        assert found.unit_p[unit] == pytest.approx(sum(others) / N_UNITS)


def test_units_that_write_at_random_pass_at_the_rate_of_chance():
    passed = 0
    for seed in range(40):
        model = Planted(0, seed)
        found = layer_vocabulary(model, model.tokens, 0, range(N_UNITS), np.random.default_rng(seed), 99)
        passed += found.passed
        assert found.shown == [] or found.passed
    assert passed <= 3  # 40 layers at p < .01, and at most .02 by 99 permutations: more than three once in 1,000


def test_an_encoder_of_random_weights_fails(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"), harmful=(1,))
    reader = UnitReader(classifier)
    screen = screen_units(reader, [example.text for example in toy_examples(60)])
    assert len(screen.tokens.ids) >= 20
    for layer in range(2):
        units = np.argsort(-screen.score()[layer])[:16]
        found = layer_vocabulary(reader, screen.tokens, layer, units, np.random.default_rng(0))
        assert not found.passed
        assert found.shown == []


def test_p_of_a_pairing():
    rng = np.random.default_rng(0)
    assert pairing_p(np.eye(6, dtype=np.float32), rng, 199) <= 2 / 200  # one permutation of 720 is as good
    assert pairing_p(np.ones((6, 6), dtype=np.float32), rng, 19) == 1.0
    assert pairing_p(np.zeros((0, 0), dtype=np.float32), rng, 19) == 1.0


def test_cosines_and_largest():
    a, b = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, -2.0]])
    np.testing.assert_allclose(cosines(a, b), [[0.6, -0.8], [0.0, 0.0]])
    assert largest(np.array([[1.0, 3.0, 3.0]]), 2).tolist() == [[1, 2]]


def test_what_cannot_be_compared_says_so():
    model = Planted(0)
    model.vectors = np.zeros((N_UNITS, D + 1))
    with pytest.raises(ModelError, match="expected input embeddings of the size"):
        layer_vocabulary(model, model.tokens, 0, [0], np.random.default_rng(0))
    model = Planted(0)
    few = replace(model.tokens, ids=model.ids[:5])
    with pytest.raises(ModelError, match="20 frequent tokens or more, found 5"):
        layer_vocabulary(model, few, 0, [0], np.random.default_rng(0))
