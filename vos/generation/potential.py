"""The potential φ_z of a text: how near its features are to a target, its length, its novelty, and hard rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vos.generation.smc import effective_sample_size
from vos.generation.text_generator import Reading, TextGenerator
from vos.mining.targets import Potential, Targets


@dataclass(frozen=True)
class TargetPotential:
    """Implements `TextPotential` for one target.

    Attributes:
        text_generator: models, rules and known texts.
        goal: exactly one target.
        potential: see `Potential`.
        shots: examples of the prompt, which a text must not copy.
        readings: what `whole` was asked about since the list was last emptied, so that every text that was paid for
            can be looked at once more.
    """

    text_generator: TextGenerator
    goal: Targets
    potential: Potential
    shots: tuple[str, ...]
    readings: list[Reading] = field(default_factory=list)

    def whole(self, texts: Sequence[str], ended: Sequence[bool]) -> Tensor:
        """Log φ (n,) of finished texts, -inf where a rule is broken."""
        reading = self.text_generator.read(texts, ended)
        self.readings.append(reading)
        broken = [self.broken(text, ended=end) is not None for text, end in zip(texts, ended, strict=True)]
        return self.soft(reading)[0].masked_fill(torch.tensor(broken, dtype=torch.bool), -math.inf)

    def broken(self, text: str, shots: Sequence[str] | None = None, *, ended: bool) -> str | None:
        """The first hard rule that a whole text breaks, see `TextRules.broken`; without `shots` those of the prompt."""
        return self.text_generator.settings.rules.broken(text, self.shots if shots is None else shots, ended=ended)

    def prefix(self, texts: Sequence[str]) -> Tensor:
        """Log of the φ (n,) expected of whole texts that begin so; only their activations count before they end."""
        prefix_value = self.text_generator.prefix_value
        expected, lengths = prefix_value.expected(texts)
        return prefix_value.log_value(expected, lengths, self.goal, self.potential)

    def soft(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """Log φ (n,) without the hard rules, and D (n,)."""
        space, shape = self.text_generator.space, self.text_generator.settings.shape
        near, distances = space.log_potential(reading.features, reading.margins, self.goal, self.potential)
        return near[:, 0] + shape.log_value(reading.texts, reading.similarity), distances[:, 0]


def tuned(potential: Potential, distances: Tensor, ess: float = 8.0, largest: float = 64.0) -> Potential:
    """The potential with β such that a pilot sample has the requested effective sample size.

    With a larger β a few texts of the pilot carry all the weight, and no sampler works; with a smaller one φ hardly
    distinguishes near from far. Found by bisection, because the effective sample size decreases with β.

    Args:
        potential: its β is replaced, at most by `largest`.
        distances: (n,) D of the pilot texts.
        ess: requested effective sample size, at least 1.
        largest: bound of β, reached when many pilot texts are equally near.
    """
    low, high = 0.0, largest
    squares = distances.double() ** 2
    if effective_sample_size(-0.5 * largest * squares) >= ess:
        return replace(potential, beta=largest)
    for _ in range(40):
        beta = (low + high) / 2
        if effective_sample_size(-0.5 * beta * squares) >= ess:
            low = beta
        else:
            high = beta
    return replace(potential, beta=low)
