from __future__ import annotations

import itertools

import pytest
import torch

from tests.generation.markov import MarkovParticles
from vos.errors import ConfigError
from vos.generation.particles import Extender, Sampling


def warped(logits, sampling):
    """Literal top-k then top-p over softmax(logits / T), as a dict of token to probability."""
    probabilities = torch.softmax(logits.double() / sampling.temperature, -1).tolist()
    ranked = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])[: sampling.top_k]
    mass = sum(probabilities[i] for i in ranked)
    kept, total = {}, 0.0
    for i in ranked:
        if total / mass >= sampling.top_p:
            break
        kept[i] = probabilities[i]
        total += probabilities[i]
    return {i: value / total for i, value in kept.items()}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(top_p=1.0),
        Sampling(temperature=0.5, top_k=3, top_p=1.0),
        Sampling(temperature=2.0, top_k=4, top_p=0.6),
        Sampling(top_k=1),
    ],
)
def test_draws_follow_the_warped_law(sampling, generator):
    logits = torch.randn(7, generator=generator)
    law = warped(logits, sampling)
    # A fine grid of uniforms inverts the law exactly, up to one cell for each token.
    n = 20_000
    grid = (torch.arange(n) + 0.5) / n
    drawn = torch.tensor(sampling.draw(logits.expand(n, -1), grid.double()))
    assert set(drawn.tolist()) == set(law)
    for token, probability in law.items():
        assert float((drawn == token).double().mean()) == pytest.approx(probability, abs=1.5 / n)


def test_the_ends_of_the_unit_interval_draw_possible_tokens():
    logits = torch.tensor([[0.0, -torch.inf, 3.0], [1.0, 1.0, -torch.inf]])
    for point in (0.0, 1.0 - 2**-53):
        first, second = Sampling(top_p=1.0).draw(logits, torch.full((2,), point, dtype=torch.float64))
        assert first in (0, 2)
        assert second in (0, 1)


@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}]
)
def test_impossible_sampling_is_refused(options):
    with pytest.raises(ConfigError, match="expected temperature > 0"):
        Sampling(**options)


def test_chunks_stop_at_their_length_at_pauses_and_at_the_end(generator):
    particles = MarkovParticles.start(200)
    extender = Extender(Sampling(max_tokens=6, top_p=1.0), generator)
    extender.extend(particles, 2)
    for row, end in zip(particles.tokens, particles.finished, strict=True):
        assert end or len(row) == 2 or particles.pauses(row[-1])
        assert not any(particles.pauses(token) for token in row[:-1])
    assert {len(row) for row in particles.tokens} == {1, 2}
    extender.extend(particles)
    assert all(extender.done(particles))
    assert max(len(row) for row in particles.tokens) == 6
    assert extender.cost.lm_tokens == sum(len(row) for row in particles.tokens)


def test_a_particle_draws_the_same_whoever_is_beside_it():
    texts = []
    for lengths in ([3, 3, 3], [0, 3, 3]):
        particles = MarkovParticles([[1, 2, 1][:length] for length in lengths])
        if lengths[0] == 0:
            particles.append([0], [0])  # ended already
        Extender(Sampling(max_tokens=6, top_p=1.0), torch.Generator().manual_seed(3)).extend(particles)
        texts.append(particles.tokens)
    assert texts[0][1:] == texts[1][1:]


def test_samples_follow_the_chain():
    n = 20_000
    particles = MarkovParticles.start(n)
    Extender(Sampling(max_tokens=6, top_p=1.0), torch.Generator().manual_seed(0)).extend(particles)
    exact = MarkovParticles.enumerate(6)
    assert sum(exact.values()) == pytest.approx(1.0)
    found = dict.fromkeys(exact, 0)
    for row in particles.tokens:
        found[tuple(row)] += 1
    # Texts of one and two tokens, n = 20,000: 5 sigma each, so one false alarm in 10^5 runs.
    for text in (t for t in itertools.chain(exact) if len(t) <= 2):
        sigma = (exact[text] * (1 - exact[text]) / n) ** 0.5
        assert found[text] / n == pytest.approx(exact[text], abs=5 * sigma)
