"""An independent check: genlm-control's sequential Monte Carlo, where it is installed, finds the same posterior and Z.

`pip install genlm-control` installs it; its dependencies are many, so it is not among ours.
"""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest
import torch

from tests.generation.markov import NEXT, START, STOP, MarkovParticles
from vos.generation.particles import Extender, Sampling
from vos.generation.smc import SMCSettings, sequential_monte_carlo

control = pytest.importorskip("genlm.control", reason="needs genlm-control")

LENGTH, PARTICLES, RUNS = 6, 12, 300
TOKENS = (1, 2, 3, 4)


def log_phi(body):
    return -6.0 * (body.count(2) / max(len(body), 1) - 0.6) ** 2


class Phi:
    """For our sampler: texts that were cut are struck out."""

    def whole(self, texts, ended):
        values = [log_phi([int(c) for c in text.removesuffix("0")]) for text in texts]
        return torch.tensor(
            [v if end else -math.inf for v, end in zip(values, ended, strict=True)], dtype=torch.float64
        )

    def prefix(self, texts):
        return torch.tensor([log_phi([int(c) for c in text]) for text in texts], dtype=torch.float64)


class Chain(control.Potential):
    """The Markov chain as a language model of genlm-control."""

    def __init__(self):
        super().__init__(list(TOKENS))

    @staticmethod
    def law(context):
        return (NEXT[context[-1]] if context else START).log()

    async def prefix(self, context):
        return sum(float(self.law(context[:i])[token]) for i, token in enumerate(context))

    async def complete(self, context):
        return await self.prefix(context) + float(self.law(context)[STOP])

    async def logw_next(self, context):
        law = self.law(context)
        return self.make_lazy_weights(np.array([*(float(law[token]) for token in TOKENS), float(law[STOP])]))


class Critic(control.Potential):
    """φ as a critic of genlm-control."""

    def __init__(self):
        super().__init__(list(TOKENS))

    async def prefix(self, context):
        return log_phi(list(context))

    async def complete(self, context):
        return log_phi(list(context))


def theirs():
    """Z of every run, and the mean weighted number of each token in a text."""
    sampler = control.direct_token_sampler(Chain())

    async def run():
        return [
            await sampler.smc(n_particles=PARTICLES, ess_threshold=0.5, max_tokens=LENGTH, critic=Critic())
            for _ in range(RUNS)
        ]

    z, counts = [], []
    for found in asyncio.run(run()):
        z.append(math.exp(found.log_ml))
        weights = np.exp(np.array(found.log_weights) - np.logaddexp.reduce(found.log_weights))
        rows = [[list(context).count(token) for token in TOKENS] for context in found.contexts]
        counts.append(z[-1] * (weights @ np.array(rows)))
    return np.array(z), np.array(counts)


def ours():
    z, counts = [], []
    settings = SMCSettings(particles=PARTICLES, chunk=1, min_prefix=1)
    for seed in range(RUNS):
        extender = Extender(Sampling(max_tokens=LENGTH, top_p=1.0), torch.Generator().manual_seed(seed))
        found = sequential_monte_carlo(MarkovParticles.start(PARTICLES), Phi(), extender, settings)
        z.append(math.exp(found.log_z))
        rows = [[row.count(token) for token in TOKENS] for row in found.particles.tokens]
        counts.append(z[-1] * (found.log_weights.exp().numpy() @ np.array(rows, dtype=float)))
    return np.array(z), np.array(counts)


def exact():
    law = {text: p for text, p in MarkovParticles.enumerate(LENGTH).items() if text[-1] == STOP}
    joint = {text: p * math.exp(log_phi(list(text[:-1]))) for text, p in law.items()}
    return sum(joint.values()), np.array([sum(v * text.count(t) for text, v in joint.items()) for t in TOKENS])


def test_both_estimate_the_same_z_and_the_same_posterior():
    """Z and Z E[count of a token] are unbiased in both. n = 300 runs each; |error| <= 4.5 standard errors, which one of
    the ten comparisons exceeds by chance in 7 of 100,000 runs of this test.
    """
    np.random.seed(0)  # noqa: NPY002 - genlm-control draws from the global state
    z, counts = exact()
    for found_z, found_counts in (ours(), theirs()):
        for found, truth in zip((found_z, *found_counts.T), (z, *counts), strict=True):
            assert abs(found.mean() - truth) <= 4.5 * found.std(ddof=1) / math.sqrt(RUNS)
