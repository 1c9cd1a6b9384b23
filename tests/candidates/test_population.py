from __future__ import annotations

import math

import pytest
import torch

from tests.candidates.markov import MarkovParticles
from vos.candidates.particles import Cost, Extender, Sampling
from vos.candidates.population import Population, PopulationSettings, breed, sharpness
from vos.errors import ConfigError

LIMIT = 8


class Ones:
    """φ rises with the share of the digit 1; texts with the digit 2 are struck out."""

    def __init__(self):
        self.asked = []

    def value(self, text):
        return -math.inf if "2" in text else -4.0 * (1 - text.count("1") / max(len(text), 1))

    def whole(self, texts, ended):
        self.asked += texts
        return torch.tensor([self.value(text) for text in texts], dtype=torch.float64)

    def prefix(self, texts):
        raise AssertionError("a population reads whole texts alone")


def extender(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Extender(Sampling(top_k=5, top_p=1.0, max_tokens=LIMIT), generator, Cost())


def real_starts():
    tokens = [[3, 1, 3, 4, 3, 1, 1, 0], [4, 3, 4, 3, 4, 3, 4, 0], [1, 1, 3, 3, 3, 3, 3, 0]]
    particles = MarkovParticles(tokens)
    values = torch.tensor([Ones().value(text) for text in particles.texts()], dtype=torch.float64)
    return Population(particles, values, (False,) * 3, (0, 1, 2))


@pytest.mark.parametrize("ess", [1.0, 2.5, 7.0])
def test_sharpness_gives_the_wished_effective_sample_size(ess):
    values = torch.tensor([-9.0, -0.1, -3.0, -0.5, -2.0, -7.0, -1.1, -4.0], dtype=torch.float64)
    power = sharpness(values, ess)
    weights = [math.exp(power * value) for value in values.tolist()]
    found = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert found == pytest.approx(ess, rel=1e-2)


def test_sharpness_is_bounded_where_all_are_alike_or_too_few():
    assert sharpness(torch.full((5,), -2.0, dtype=torch.float64), 3.0) == 64.0
    # Two texts can never count as four: no sharpness at all comes nearest.
    assert sharpness(torch.tensor([-1.0, -2.0], dtype=torch.float64), 4.0) == pytest.approx(0.0, abs=1e-9)


def test_children_keep_at_most_the_allowed_share_and_cost_their_new_tokens_alone():
    settings = PopulationSettings(starts=3, children=40, size=50, kept_real=0.5, kept_made=0.75)
    population, work, kept = real_starts(), extender(), []

    class Spy(MarkovParticles):
        def select(self, rows, lengths=None):
            if lengths is not None:
                kept.extend(zip(rows, lengths, strict=True))
            return Spy(super().select(rows, lengths).tokens)

        def joined(self, other):
            return Spy(super().joined(other).tokens)

    population = Population(
        Spy(population.particles.tokens), population.log_potential, population.made, population.start
    )
    for _ in range(3):
        kept.clear()
        before = work.cost.lm_tokens
        bred = breed(population, Ones(), work, settings)
        assert len(kept) == len(bred.children) == 40
        for row, length in kept:
            share = 0.75 if population.made[row] else 0.5
            assert length <= share * len(population.particles.tokens[row])
        lengths = [len(text) for text in bred.children]
        written = work.cost.lm_tokens - before
        assert written == sum(lengths) - sum(length for _, length in kept)
        for (row, length), text, start in zip(kept, bred.children, bred.start, strict=True):
            assert text.startswith(population.particles.texts()[row][:length])
            assert start == population.start[row]
        population = bred.population
    assert work.cost.classifier_texts == 120


def test_the_best_stay_each_once_and_none_that_is_struck_out():
    settings = PopulationSettings(starts=3, children=30, size=10)
    population, work, phi = real_starts(), extender(1), Ones()
    everything = dict(zip(population.particles.texts(), population.log_potential.tolist(), strict=True))
    for _ in range(4):
        population = breed(population, phi, work, settings).population
        everything |= {text: phi.value(text) for text in phi.asked}
        texts = population.particles.texts()
        assert len(set(texts)) == len(texts) <= 10
        assert population.log_potential.tolist() == [everything[text] for text in texts]
        finite = sorted((value for value in everything.values() if value > -math.inf), reverse=True)
        assert population.log_potential.tolist() == pytest.approx(finite[: len(texts)])
    assert any(population.made)


def test_a_round_without_a_sound_child_changes_nothing():
    class Nothing(Ones):
        def value(self, text):
            return -math.inf

    before = real_starts()
    bred = breed(before, Nothing(), extender(), PopulationSettings(children=12))
    order = torch.argsort(before.log_potential, descending=True, stable=True).tolist()
    assert bred.population.particles.tokens == [before.particles.tokens[i] for i in order]
    assert bred.population.made == (False,) * 3


def test_same_seed_same_children_and_another_seed_others():
    first, again, other = (breed(real_starts(), Ones(), extender(s), PopulationSettings()).children for s in (3, 3, 4))
    assert first == again != other


def test_breeding_finds_more_good_texts_than_drawing_at_equal_tokens():
    phi, work = Ones(), extender(5)
    population = real_starts()
    while work.cost.lm_tokens < 1500:
        population = breed(population, phi, work, PopulationSettings(starts=3)).population
    bred = {text for text in phi.asked if phi.value(text) > -1.0 and len(text) >= 4}
    plain, drawn = extender(6), set()
    while plain.cost.lm_tokens < work.cost.lm_tokens:
        particles = MarkovParticles.start(32)
        plain.extend(particles)
        drawn |= {text for text in particles.texts() if phi.value(text) > -1.0 and len(text) >= 4}
    assert len(bred) > 1.3 * len(drawn)


@pytest.mark.parametrize(
    "options",
    [{"starts": 0}, {"children": 0}, {"size": 0}, {"ess": 0.5}, {"kept_real": 1.0}, {"kept_made": -0.1}],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="population: expected"):
        PopulationSettings(**options)
