from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.toy_texts import texts_of
from vos.errors import ConfigError
from vos.generation.generate import real_texts
from vos.generation.potential import TargetPotential, tuned
from vos.generation.rules import Shape
from vos.generation.settings import TextGeneratorSettings
from vos.generation.smc import effective_sample_size
from vos.mining.targets import Potential
from vos.types import Example

KNOWN = "w1 w2 w3 w4 w5 w6."


@pytest.fixture
def phi(text_generator, featurizer, space, targets):
    known = real_texts([Example(str(label), KNOWN, label) for label in (0, 1)], featurizer, space)
    few = replace(text_generator, real=known, settings=TextGeneratorSettings())
    return TargetPotential(few, targets.at([2]), Potential(beta=2.0), ("s " * 9 + ".",))


def plain(phi, text):
    """log φ of the activations alone."""
    batch = phi.text_generator.featurizer.featurize([text])
    margins = batch.logits[:, 1] - batch.logits[:, 0]
    return float(phi.text_generator.space.log_potential(batch.features, margins, phi.goal, phi.potential)[0])


def test_a_sound_text_costs_its_distance_only(phi):
    text = "alpha beta gamma delta epsilon zeta."
    assert float(phi.whole([text], [True])) == pytest.approx(plain(phi, text))
    assert float(phi.prefix([text])) == pytest.approx(plain(phi, text))


def test_length_is_a_hinge_on_both_sides(phi):
    short = "alpha beta gamma delta."  # one word below 5
    long = " ".join(f"x{i}" for i in range(33)) + "."  # three above 30
    assert float(phi.whole([short], [True])) == pytest.approx(plain(phi, short) - 0.5 / 9)
    assert float(phi.whole([long], [True])) == pytest.approx(plain(phi, long) - 0.5)
    assert float(phi.prefix([short])) == pytest.approx(plain(phi, short))


def test_copies_are_pushed_away(phi):
    assert float(phi.whole([KNOWN], [True])) == pytest.approx(plain(phi, KNOWN) - 0.5 * 3.5**2)


def test_broken_rules_strike_whole_texts_only(phi):
    stump = "alpha beta gamma delta epsilon zeta"
    values = phi.whole([stump, stump + ".", stump + "."], [True, True, False])
    assert values[0] == -math.inf
    assert math.isfinite(float(values[1]))
    assert values[2] == -math.inf  # it was cut, whatever it ends with
    assert math.isfinite(float(phi.prefix([stump])))
    assert math.isfinite(float(phi.soft(phi.text_generator.read([stump], [True]))[0]))


def test_whole_texts_are_remembered_and_batches_do_not_matter(phi):
    texts = [f"{text}." for text in texts_of(5, seed=8)]
    together = phi.whole(texts, [True] * 5)
    alone = torch.cat([phi.whole([text], [True]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=1e-9)
    assert [reading.texts for reading in phi.readings] == [tuple(texts), *((text,) for text in texts)]


def test_beta_gives_the_wished_effective_sample_size(generator):
    distances = 1 + torch.rand(64, generator=generator)
    found = tuned(Potential(beta=99.0, delta=0.7), distances, ess=8.0, largest=1000.0)
    assert effective_sample_size(-0.5 * found.beta * distances.double() ** 2) == pytest.approx(8.0, abs=1e-3)
    assert found.delta == 0.7
    assert tuned(Potential(), torch.ones(20), ess=8.0).beta == 64.0
    assert tuned(Potential(), distances[:5], ess=8.0).beta == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "options", [{"min_words": 9, "max_words": 8}, {"min_words": -1}, {"word_scale": 0.0}, {"similarity_scale": 0.0}]
)
def test_impossible_shapes_are_refused(options):
    with pytest.raises(ConfigError, match="shape: expected"):
        Shape(**options)
