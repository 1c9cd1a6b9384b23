from __future__ import annotations

import math

import pytest
import torch

from tests.generation.markov import MarkovParticles
from vos.errors import ConfigError
from vos.generation.mcmc import regenerate
from vos.generation.particles import Extender, Sampling
from vos.generation.smc import SMCSettings, effective_sample_size, sequential_monte_carlo, systematic

LENGTH = 6
SAMPLING = Sampling(max_tokens=LENGTH, top_p=1.0)


class DigitPotential:
    """log φ = -beta (share of 2s in the text - 0.6)², and no text may hold "11": features that prefixes have too."""

    def __init__(self, beta=6.0):
        self.beta, self.texts = beta, []

    def value(self, text):
        body = text.removesuffix("0")
        return -self.beta * ((body.count("2") / max(len(body), 1)) - 0.6) ** 2

    def whole(self, texts, ended=None):
        self.texts.extend(texts)
        return torch.tensor([-math.inf if "11" in t else self.value(t) for t in texts], dtype=torch.float64)

    def prefix(self, texts):
        self.texts.extend(texts)
        return torch.tensor([self.value(t) for t in texts], dtype=torch.float64)


class Constant:
    def whole(self, texts, ended=None):
        return torch.zeros(len(texts), dtype=torch.float64)

    def prefix(self, texts):
        return self.whole(texts)


def exact(potential):
    """Every text with p φ / Z, and Z."""
    law = MarkovParticles.enumerate(LENGTH)
    texts = list(law)
    phi = potential.whole(["".join(map(str, text)) for text in texts]).exp()
    joint = {text: law[text] * float(value) for text, value in zip(texts, phi, strict=True)}
    z = sum(joint.values())
    return {text: value / z for text, value in joint.items()}, z


def run(potential, seed, **options):
    settings = SMCSettings(**({"particles": 16, "chunk": 2, "min_prefix": 1} | options))
    extender = Extender(SAMPLING, torch.Generator().manual_seed(seed))
    return sequential_monte_carlo(MarkovParticles.start(settings.particles), potential, extender, settings), extender


@pytest.mark.parametrize(
    "options",
    [
        {"beta": 6.0},
        {"beta": 30.0},
        {"beta": 6.0, "ess": 1.0},
        {"beta": 6.0, "ess": 0.0},
        {"beta": 6.0, "chunk": 1, "clip": 2.0, "twist_last": 0.8},
    ],
)
def test_the_estimate_of_z_is_unbiased(options):
    options = dict(options)
    potential = DigitPotential(options.pop("beta"))
    _, z = exact(potential)
    # n = 600 runs of 16 particles; 4.5 standard errors: about one false alarm in 10^5 choices of seeds.
    estimates = torch.tensor([math.exp(run(potential, seed, **options)[0].log_z) for seed in range(600)])
    error = float(estimates.std()) / len(estimates) ** 0.5
    assert float(estimates.mean()) == pytest.approx(z, abs=4.5 * error)
    assert error < 0.05 * z  # or the test could not fail


def test_weighted_texts_follow_the_target():
    potential = DigitPotential(6.0)
    law, z = exact(potential)
    # `Ẑ Σ w f` is unbiased for Σ p φ f: the share of texts whose last letter is a 2, and of length 2.
    for holds in (lambda t: len(t) == 2, lambda t: 2 in t[-2:]):
        expected = z * sum(value for text, value in law.items() if holds(text))
        found = []
        for seed in range(500):
            result, _ = run(potential, seed)
            mask = torch.tensor([holds(row) for row in result.particles.tokens])
            found.append(float((result.log_weights.exp() * mask).sum()) * math.exp(result.log_z))
        found = torch.tensor(found)
        # n = 500 runs, 4.5 standard errors as above.
        assert float(found.mean()) == pytest.approx(expected, abs=4.5 * float(found.std()) / 500**0.5)


def test_a_constant_potential_gives_plain_samples_of_the_model():
    plain = MarkovParticles.start(16)
    extender = Extender(SAMPLING, torch.Generator().manual_seed(5))
    while not all(extender.done(plain)):
        extender.extend(plain, 2)
    result, _ = run(Constant(), 5)
    assert result.particles.tokens == plain.tokens
    assert result.log_z == pytest.approx(0.0, abs=1e-12)
    assert result.ancestors == 16
    torch.testing.assert_close(result.log_weights, torch.full((16,), -math.log(16), dtype=torch.float64))


def test_without_resampling_the_weights_are_the_potential():
    result, _ = run(DigitPotential(), 3, ess=0.0)
    expected = DigitPotential().whole(result.particles.texts())
    torch.testing.assert_close(result.log_potential, expected)
    torch.testing.assert_close(result.log_weights, expected - torch.logsumexp(expected, 0))
    assert result.log_z == pytest.approx(float(torch.logsumexp(expected, 0)) - math.log(16))


def test_weights_are_the_same_batched_and_one_by_one():
    class OneByOne(DigitPotential):
        def whole(self, texts, ended=None):
            return torch.cat([super(OneByOne, self).whole([text]) for text in texts])

        def prefix(self, texts):
            return torch.cat([super(OneByOne, self).prefix([text]) for text in texts])

    for seed in range(20):
        (one, _), (other, _) = run(DigitPotential(), seed), run(OneByOne(), seed)
        assert one.particles.tokens == other.particles.tokens
        assert torch.equal(one.log_weights, other.log_weights)
        assert one.log_z == other.log_z


def test_the_potential_is_kept_with_its_text_through_resampling():
    result, extender = run(DigitPotential(30.0), 1, ess=1.0)
    torch.testing.assert_close(result.log_potential, DigitPotential(30.0).whole(result.particles.texts()))
    assert result.ancestors < 16
    assert len(result.ess) <= LENGTH
    assert extender.cost.lm_tokens >= sum(len(row) for row in result.particles.tokens) / 2


def test_short_prefixes_and_finished_texts_are_not_scored_again():
    potential = DigitPotential()
    _, extender = run(potential, 0, min_prefix=4, ess=0.0)
    assert extender.cost.classifier_texts == len(potential.texts)
    assert all(len(text) >= 4 or text.endswith("0") for text in potential.texts)
    whole = [text for text in potential.texts if text.endswith("0") or len(text) == LENGTH]
    assert len(whole) == 16


def test_the_twist_is_clipped():
    class Hopeless(Constant):
        def prefix(self, texts):
            return torch.full((len(texts),), -1e6, dtype=torch.float64)

    # Every prefix loses 3 nats and gets them back at its end, so the weights end where they began.
    result, _ = run(Hopeless(), 0, ess=0.0)
    assert result.log_z == pytest.approx(0.0, abs=1e-9)
    steep, _ = run(Hopeless(), 0, ess=0.0, clip=0.5)
    assert min(steep.ess) > min(result.ess) > 0


def test_when_every_text_is_struck_out_nothing_is_hidden():
    class Nothing(Constant):
        def whole(self, texts, ended=None):
            return torch.full((len(texts),), -math.inf, dtype=torch.float64)

    result, _ = run(Nothing(), 0)
    assert result.log_z == -math.inf
    assert bool((result.log_weights == -math.inf).all())
    assert result.ess[-1] == 0.0


def test_systematic_resampling_rounds_expected_counts(generator):
    weights = torch.tensor([0.5, 0.0, 0.26, 0.14, 0.1, 0.0], dtype=torch.float64)
    totals = torch.zeros(6)
    for _ in range(4000):
        counts = torch.bincount(torch.tensor(systematic(weights.log() + 7.0, generator)), minlength=6)
        assert bool(((counts - 6 * weights).abs() < 1).all())
        totals += counts
    # n = 4,000; a count varies by less than 1, so its standard error is below 0.5 / 63; 5 of them.
    assert float((totals / 4000 - 6 * weights).abs().max()) < 0.04
    assert systematic(torch.tensor([-math.inf, 0.0, -math.inf]), generator) == [1, 1, 1]


def test_effective_sample_size():
    assert effective_sample_size(torch.zeros(7)) == pytest.approx(7.0)
    assert effective_sample_size(torch.tensor([1e4, -math.inf, -math.inf])) == pytest.approx(1.0)
    assert effective_sample_size(torch.tensor([0.5, 0.25]).log()) == pytest.approx(0.75**2 / (0.25 + 0.0625))
    assert effective_sample_size(torch.full((3,), -math.inf)) == 0.0


@pytest.mark.parametrize(
    "options", [{"particles": 0}, {"chunk": 0}, {"clip": -1.0}, {"ess": 1.5}, {"twist_first": -0.1}, {"min_prefix": -1}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="smc: expected"):
        SMCSettings(**options)


def total_variation(counts, law):
    n = sum(counts.values())
    return 0.5 * sum(abs(counts.get(text, 0) / n - law.get(text, 0.0)) for text in law | counts)


def chain_law(start_law, moves, n, seed):
    """Empirical law of n chains started from a law over texts, after some moves."""
    generator = torch.Generator().manual_seed(seed)
    potential = DigitPotential(6.0)
    texts = list(start_law)
    rows = torch.multinomial(torch.tensor(list(start_law.values())), n, replacement=True, generator=generator)
    particles = MarkovParticles([texts[i] for i in rows.tolist()])
    values = potential.whole(particles.texts())
    extender = Extender(SAMPLING, generator)
    for _ in range(moves):
        moved = regenerate(particles, values, potential, extender)
        particles, values = moved.particles, moved.log_potential
    counts = {}
    for row in particles.tokens:
        counts[tuple(row)] = counts.get(tuple(row), 0) + 1
    return counts


def short(law):
    """The law of the first three tokens, so that sampling noise stays small."""
    result = {}
    for text, value in law.items():
        result[text[:3]] = result.get(text[:3], 0) + value
    return result


@pytest.mark.slow
def test_moves_leave_the_target_unchanged():
    law, _ = exact(DigitPotential(6.0))
    n = 20_000
    noise = total_variation(short(chain_law(law, 0, n, seed=1)), short(law))
    after = total_variation(short(chain_law(law, 4, n, seed=2)), short(law))
    # About 80 prefixes, n = 20,000: the noise is about sum sqrt(q / n) * 0.4 = 0.02 with standard deviation 0.003.
    # A cut within the text, the known mistake, shifts the law by 0.05 and more.
    assert noise < 0.035
    assert after < noise + 0.015
    lengths = sum(len(t) * v for t, v in law.items())
    found = sum(len(t) * c for t, c in chain_law(law, 4, n, seed=3).items()) / n
    assert found == pytest.approx(lengths, abs=5 * 2 / n**0.5)


def test_moves_bring_plain_samples_to_the_target():
    law, _ = exact(DigitPotential(6.0))
    plain = {t: p for t, p in MarkovParticles.enumerate(LENGTH).items() if "11" not in "".join(map(str, t))}
    far = total_variation(short(chain_law(plain, 0, 5000, seed=4)), short(law))
    near = total_variation(short(chain_law(plain, 12, 5000, seed=5)), short(law))
    # Noise as in the test before, at n = 5,000 about twice as large.
    assert far > 0.15
    assert near < 0.09


def test_a_move_reports_what_it_did(generator):
    particles = MarkovParticles([[2, 0], [1, 2, 3, 2, 3, 2], [3, 0]])
    potential = DigitPotential()
    values = potential.whole(particles.texts())
    extender = Extender(SAMPLING, generator)
    seen = set()
    for _ in range(40):
        moved = regenerate(particles, values, potential, extender)
        assert len(moved.proposals) == len(moved.proposed)
        torch.testing.assert_close(moved.log_potential, potential.whole(moved.particles.texts()))
        for i in range(3):
            same = moved.particles.tokens[i] == particles.tokens[i]
            assert same or i in moved.accepted
        assert set(moved.accepted) <= set(moved.proposed)
        seen.add((bool(moved.proposed), bool(moved.accepted)))
        particles, values = moved.particles, moved.log_potential
    assert seen >= {(True, False), (True, True)}


def test_a_cut_behind_the_end_changes_nothing():
    particles = MarkovParticles([[0]])
    values = Constant().whole(particles.texts())
    for seed in range(20):
        extender = Extender(SAMPLING, torch.Generator().manual_seed(seed))
        moved = regenerate(particles, values, Constant(), extender)
        first = torch.randint(LENGTH, (1,), generator=torch.Generator().manual_seed(seed)).item() == 0
        assert bool(moved.proposed) == first
        if not first:
            assert moved.particles.tokens == [[0]]
            assert extender.cost.lm_tokens == 0


def test_a_struck_out_start_moves_to_the_first_allowed_text(generator):
    particles = MarkovParticles([[1, 1, 1, 1, 1, 1]] * 40)
    potential = DigitPotential()
    values = potential.whole(particles.texts())
    moved = regenerate(particles, values, potential, Extender(SAMPLING, generator))
    for place, i in enumerate(moved.proposed):
        allowed = "11" not in moved.proposals[place]
        assert (i in moved.accepted) == allowed
    assert moved.accepted
