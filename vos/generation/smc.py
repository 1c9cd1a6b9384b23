"""Texts from the language model weighted by a potential: sequential Monte Carlo over whole particles.

The target distribution is `π(x) ∝ p(x) φ(x)`, with p the base measure of `Sampling` and φ a potential of whole texts.
Particles are extended from p by a sentence or a few tokens, re-weighted by a twist ψ, and resampled if few of them
carry the weight. The twist is the expected potential of the unfinished text (`vos.generation.prefix_value`), raised to
a power and clipped from below. Without the clip, prefixes with a low value die out although they may end well; then a
part of the target distribution is lost, and Z is badly underestimated in most runs. No candidate next tokens are
scored.

Source: Del Moral, Doucet and Jasra 2006 (SMC samplers); Zhao et al. 2024 (twisted SMC for language models).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.generation.particles import Extender, P, Particles


class TextPotential(Protocol):
    """A potential φ of texts, at most 1."""

    def whole(self, texts: Sequence[str], ended: Sequence[bool]) -> Tensor:
        """Log φ (n,) float64 of finished texts, hard filters included: -inf if one of them applies.

        `ended` tells whether each text ended by itself; the others were truncated at the token limit.
        """

    def prefix(self, texts: Sequence[str]) -> Tensor:
        """Log φ (n,) float64 of unfinished texts, without the terms that only apply to whole texts."""


@dataclass(frozen=True)
class SMCSettings:
    """How sequential Monte Carlo runs.

    Attributes:
        particles: N, number of particles.
        chunk: largest number of tokens between two weightings; fewer at the end of a sentence.
        twist_first: power of the prefix potential after the first chunk.
        twist_last: the same when `max_tokens` are nearly reached; the power grows linearly between.
        clip: log ψ is never below `-clip`, in nats.
        min_prefix: unfinished texts of fewer tokens are not scored: log ψ = 0.
        ess: resample when the effective sample size falls below this share of N, in [0, 1]; 0 never resamples, which
            makes the run an importance sampler (best of N).
    """

    particles: int = 24
    chunk: int = 8
    twist_first: float = 1.0
    twist_last: float = 1.0
    clip: float = 8.0
    min_prefix: int = 8
    ess: float = 0.5

    def __post_init__(self) -> None:
        if self.particles < 1 or self.chunk < 1 or min(self.twist_first, self.twist_last, self.min_prefix) < 0:
            raise ConfigError(f"smc: expected particles and chunk >= 1, twists and min_prefix >= 0, got {self}")
        if self.clip < 0 or not 0 <= self.ess <= 1:
            raise ConfigError(f"smc: expected clip >= 0 and ess in [0, 1], got {self}")


@dataclass(frozen=True)
class SMCResult(Generic[P]):
    """Weighted particles: `Σ_i w_i f(x_i)` estimates the expectation of f under π.

    Attributes:
        particles: N finished particles.
        log_weights: (N,) float64 normalised; all -inf if all particles have potential 0.
        log_potential: (N,) float64 log φ of each text.
        log_z: log of an unbiased estimate of `Z = Σ_x p(x) φ(x)`.
        ess: effective sample size at each weighting.
        ancestors: number of different first-generation particles that the last generation descends from.
    """

    particles: P
    log_weights: Tensor
    log_potential: Tensor
    log_z: float
    ess: tuple[float, ...]
    ancestors: int


def systematic(log_weights: Tensor, generator: torch.Generator) -> list[int]:
    """Ancestors of N new particles, particle i chosen `N w_i` times, rounded up or down; all by one uniform.

    Args:
        log_weights: (N,) float64, not all -inf; need not be normalised.
        generator: source of the uniform.
    """
    n = len(log_weights)
    cumulative = torch.softmax(log_weights, 0).cumsum(0)
    points = (torch.arange(n, dtype=torch.float64) + torch.rand((), generator=generator, dtype=torch.float64)) / n
    # The last point may exceed a total that rounds below 1; particles of weight 0 are never hit (`right`).
    last = int(torch.nonzero(log_weights > -math.inf)[-1])
    return torch.searchsorted(cumulative, points, right=True).clamp_max(last).tolist()


def effective_sample_size(log_weights: Tensor) -> float:
    """`(Σ w)² / Σ w²` of unnormalised weights (N,); 0 when all are -inf."""
    if not bool((log_weights > -math.inf).any()):
        return 0.0
    return float(torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0)))


def sequential_monte_carlo(
    start: P, potential: TextPotential, extender: Extender, settings: SMCSettings
) -> SMCResult[P]:
    """Run sequential Monte Carlo from N empty particles until every text is done.

    Args:
        start: N = `settings.particles` particles after the prompt.
        potential: φ.
        extender: draws from p; its generator also resamples, its cost counts tokens and scored texts.
        settings: see `SMCSettings`.
    """
    n = len(start)
    particles = start
    log_weights = torch.zeros(n, dtype=torch.float64)
    twist = torch.zeros(n, dtype=torch.float64)
    final = torch.zeros(n, dtype=torch.float64)
    scored = [False] * n
    roots = list(range(n))
    log_z, path = 0.0, []
    while not all(scored):
        extender.extend(particles, settings.chunk)
        new, final, scored = _log_twist(particles, final, scored, potential, extender, settings)
        # A particle at -inf stays there; -inf minus -inf would be NaN.
        log_weights = torch.where(log_weights == -math.inf, log_weights, log_weights + new - twist)
        twist = new
        path.append(effective_sample_size(log_weights))
        if 0 < path[-1] < settings.ess * n and not all(scored):
            log_z += float(torch.logsumexp(log_weights, 0)) - math.log(n)
            chosen = systematic(log_weights, extender.generator)
            particles = particles.select(chosen)
            twist, final = twist[chosen], final[chosen]
            scored, roots = [scored[i] for i in chosen], [roots[i] for i in chosen]
            log_weights = torch.zeros(n, dtype=torch.float64)
    total = torch.logsumexp(log_weights, 0)
    log_z += float(total) - math.log(n)
    normalised = log_weights - total if math.isfinite(total) else log_weights
    return SMCResult(particles, normalised, final, log_z, tuple(path), len(set(roots)))


def _log_twist(
    particles: Particles,
    final: Tensor,
    scored: Sequence[bool],
    potential: TextPotential,
    extender: Extender,
    settings: SMCSettings,
) -> tuple[Tensor, Tensor, list[bool]]:
    """Log ψ (N,): φ itself for finished texts, its clipped power for the others.

    Finished texts that were scored before keep their value. Also returns log φ (N,) of the finished texts, and a mask.
    """
    texts = particles.texts()
    done = extender.done(particles)
    fresh = [i for i, end in enumerate(done) if end and not scored[i]]
    final = final.clone()
    if fresh:
        final[fresh] = potential.whole([texts[i] for i in fresh], [particles.finished[i] for i in fresh])
    twist = torch.where(torch.tensor(done), final, 0.0)
    lengths = [len(row) for row in particles.tokens]
    live = [i for i, end in enumerate(done) if not end and lengths[i] >= settings.min_prefix]
    if live:
        share = torch.tensor([lengths[i] for i in live]) / extender.sampling.max_tokens
        power = settings.twist_first + (settings.twist_last - settings.twist_first) * share
        prefix = potential.prefix([texts[i] for i in live])
        twist[live] = (power * prefix).clamp_min(-settings.clip)
    extender.cost.classifier_texts += len(fresh) + len(live)
    return twist, final, done
