"""A population of texts that breeds towards a target: good ends are kept, the language model writes new ends to them.

Unlike the moves of `vos.candidates.moves` this is a search, not a sampler: its texts are not draws from `p φ`, and no
log Z comes of it. It starts from real texts near the target. In every round parents are drawn from the whole population
by their tempered potential, each is cut, and the language model writes on from the cut. Only the new ends cost tokens.
The temper is set in every round so that a wished number of members carry the draw: selection is as sharp when all
members are near the target as it is when none is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from vos.candidates.particles import Extender, Particles
from vos.candidates.steering import TextPotential, effective_sample_size
from vos.errors import ConfigError

P = TypeVar("P", bound=Particles)


@dataclass(frozen=True)
class PopulationSettings:
    """How a population breeds.

    Attributes:
        starts: real texts it starts from.
        children: texts written in a round.
        size: members kept after a round, best first.
        ess: effective number of members that parents are drawn from.
        kept_real: largest share of a real text's tokens that a child keeps; more makes near-copies.
        kept_made: the same of a text that was made.
    """

    starts: int = 12
    children: int = 32
    size: int = 48
    ess: float = 4.0
    kept_real: float = 0.5
    kept_made: float = 0.9

    def __post_init__(self) -> None:
        if min(self.starts, self.children, self.size) < 1 or self.ess < 1:
            raise ConfigError(f"population: expected starts, children, size and ess of at least 1, got {self}")
        if not (0 <= self.kept_real < 1 and 0 <= self.kept_made < 1):
            raise ConfigError(f"population: expected kept_real and kept_made in [0, 1), got {self}")


@dataclass(frozen=True)
class Population(Generic[P]):
    """Texts and what they are worth.

    Attributes:
        particles: n texts, every one done.
        log_potential: (n,) float64, finite.
        made: (n,) whether each was made; the others are real texts.
        start: for each, the index of the real text that it descends from.
    """

    particles: P
    log_potential: Tensor
    made: tuple[bool, ...]
    start: tuple[int, ...]


@dataclass(frozen=True)
class Bred(Generic[P]):
    """A round.

    Attributes:
        population: after it.
        children: texts written, in the order in which φ read them.
        start: for each child, the index of the real text that it descends from.
    """

    population: Population[P]
    children: tuple[str, ...]
    start: tuple[int, ...]


def sharpness(log_potential: Tensor, ess: float, largest: float = 64.0) -> float:
    """The power at which weights `φ^power` of n texts have the wished effective sample size; at most `largest`.

    Found by bisection: the effective sample size falls from n as the power grows.
    """
    low, high = 0.0, largest
    if effective_sample_size(largest * log_potential) >= ess:
        return largest
    for _ in range(40):
        power = (low + high) / 2
        if effective_sample_size(power * log_potential) >= ess:
            low = power
        else:
            high = power
    return low


def breed(
    population: Population[P], potential: TextPotential, extender: Extender, settings: PopulationSettings
) -> Bred[P]:
    """One round.

    Args:
        population: real texts at first, then what the last round gave.
        potential: φ; children at -inf do not join the population.
        extender: writes; its generator also draws parents and cuts, its cost counts the new tokens alone.
        settings: see `PopulationSettings`.
    """
    generator = extender.generator
    weights = torch.softmax(sharpness(population.log_potential, settings.ess) * population.log_potential, 0)
    parents = torch.multinomial(weights, settings.children, replacement=True, generator=generator).tolist()
    places = torch.rand(settings.children, generator=generator, dtype=torch.float64).tolist()
    kept = [settings.kept_made if population.made[row] else settings.kept_real for row in parents]
    lengths = [len(population.particles.tokens[row]) for row in parents]
    cuts = [int(place * share * length) for place, share, length in zip(places, kept, lengths, strict=True)]
    children = population.particles.select(parents, cuts)
    extender.extend(children)
    texts = tuple(children.texts())
    values = potential.whole(texts, children.finished)
    extender.cost.classifier_texts += len(texts)
    start = tuple(population.start[row] for row in parents)
    # A text that was written twice would take two places, and be drawn twice as often.
    known = set(population.particles.texts())
    joins = [i for i, text in enumerate(texts) if values[i] > -math.inf and text not in known and text not in texts[:i]]
    merged = torch.cat((population.log_potential, values[joins]))
    best = torch.argsort(merged, descending=True, stable=True)[: settings.size].tolist()
    made = (*population.made, *(True for _ in joins))
    starts = (*population.start, *(start[i] for i in joins))
    particles = population.particles.joined(children.select(joins)) if joins else population.particles
    return Bred(
        Population(particles.select(best), merged[best], tuple(made[i] for i in best), tuple(starts[i] for i in best)),
        texts,
        start,
    )
