"""Metropolis-Hastings moves that cut a text and let the language model write its end again.

The proposal is p itself after the cut, so the acceptance probability is `min(1, φ(x') / φ(x))`. That holds because the
position of the cut is drawn independently of the text's length: a cut beyond the end is a move without change. Drawing
the cut within the text would change the ends of long texts less often than those of short ones, and bias the chain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from vos.generation.particles import Extender, P
from vos.generation.smc import TextPotential


@dataclass(frozen=True)
class Moved(Generic[P]):
    """Chains after one move.

    Attributes:
        particles: the chains' texts.
        log_potential: (n,) float64 log φ of each.
        proposals: texts that were proposed, accepted or not, in the order of `proposed`.
        proposed: chains whose cut fell within the text.
        accepted: chains that took their proposal.
    """

    particles: P
    log_potential: Tensor
    proposals: tuple[str, ...]
    proposed: tuple[int, ...]
    accepted: tuple[int, ...]


def regenerate(particles: P, log_potential: Tensor, potential: TextPotential, extender: Extender) -> Moved[P]:
    """One suffix-regeneration move of every chain; leaves `p φ` invariant.

    Args:
        particles: done texts, one for each chain.
        log_potential: (n,) float64 log φ of each; -inf is allowed for a start that the filters strike out.
        potential: φ.
        extender: draws from p; its generator also draws the cuts and the acceptances.
    """
    n = len(particles)
    cuts = torch.randint(extender.sampling.max_tokens, (n,), generator=extender.generator).tolist()
    levels = torch.rand(n, generator=extender.generator, dtype=torch.float64).log()
    moved = [i for i in range(n) if cuts[i] < len(particles.tokens[i])]
    if not moved:
        return Moved(particles, log_potential, (), (), ())
    ends = particles.select(moved, [cuts[i] for i in moved])
    extender.extend(ends)
    texts = tuple(ends.texts())
    values = potential.whole(texts, ends.finished)
    extender.cost.classifier_texts += len(texts)
    # The comparison is false for NaN: from one struck-out text to another nothing moves.
    take = (levels[moved] < values - log_potential[moved]) & (values > -math.inf)
    accepted = [(place, i) for place, i in enumerate(moved) if bool(take[place])]
    rows = list(range(n))
    result = log_potential.clone()
    for place, i in accepted:
        rows[i] = n + place
        result[i] = values[place]
    joined = particles.joined(ends).select(rows) if accepted else particles
    return Moved(joined, result, texts, tuple(moved), tuple(i for _, i in accepted))
