"""Partial texts that a language model lengthens together, and the distribution that it lengthens them by.

Drafts need no more than `PartialTexts` and `TextExtender`, which a server of a language model can give too. Every
sampler is written against the `Particles` protocol, so that it runs alike on a transformer with a shared prompt cache
and on a five-token Markov chain whose every text can be enumerated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from vos.errors import ConfigError


class PartialTexts(Protocol):
    """`n` sequences of tokens after one prompt. A sequence is finished once it has ended by itself."""

    def __len__(self) -> int:
        """Number of particles."""

    @property
    def tokens(self) -> Sequence[Sequence[Any]]:
        """The sequences, prompt left out: tokens, or pieces of text where the tokens are not known."""

    @property
    def finished(self) -> Sequence[bool]:
        """Whether each sequence has ended by itself."""

    def texts(self) -> list[str]:
        """The sequences as texts, marks of the end left out."""

    def select(self, rows: Sequence[int], lengths: Sequence[int] | None = None) -> Self:
        """New particles, copies of these rows (repeats allowed), cut to `lengths` tokens when given."""


class Particles(PartialTexts, Protocol):
    """Sequences whose next token can be chosen here. One is finished once its last token ends a text."""

    def pauses(self, token: int) -> bool:
        """Whether a sentence ends with this token."""

    def next_logits(self, rows: Sequence[int]) -> Tensor:
        """Logits (len(rows), V) of the next token of these unfinished sequences; once for each `append`."""

    def append(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Lengthen these sequences by one token each."""

    def joined(self, other: Self) -> Self:
        """New particles: these, then the others. Both follow the same prompt."""


P = TypeVar("P", bound=Particles)

T = TypeVar("T", bound=PartialTexts)

Lengthened = TypeVar("Lengthened", bound=PartialTexts, contravariant=True)


@dataclass
class Cost:
    """The cost of making texts.

    Attributes:
        lm_tokens: tokens sampled from the language model.
        classifier_texts: texts and prefixes that went through the classifier.
    """

    lm_tokens: int = 0
    classifier_texts: int = 0


class TextExtender(Protocol[Lengthened]):
    """Lengthens partial texts and counts what that costs."""

    @property
    def cost(self) -> Cost:
        """Where tokens are counted."""

    def done(self, particles: Lengthened) -> list[bool]:
        """Whether each particle has ended by itself or has as many tokens as it may have."""

    def extend(self, particles: Lengthened, chunk: int | None = None) -> None:
        """Lengthen every particle that is not done, in place, by at most `chunk` tokens, or to the end."""


@dataclass(frozen=True)
class Sampling:
    """The base measure p: the model's next-token distribution after temperature, top-k and top-p, in this order.

    Proposals are drawn from p itself, so its density cancels in all weights and acceptance probabilities.

    Attributes:
        temperature: logits are divided by this.
        top_k: only the `top_k` most probable tokens can be drawn.
        top_p: of these, only the smallest set of most probable tokens whose total probability reaches `top_p`.
        max_tokens: a text that has not ended by itself after this many tokens is truncated.
    """

    temperature: float = 1.0
    top_k: int = 200
    top_p: float = 0.95
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.top_k < 1 or not 0 < self.top_p <= 1 or self.max_tokens < 1:
            raise ConfigError(
                f"sampling: expected temperature > 0, top_k >= 1, top_p in (0, 1] and max_tokens >= 1, got {self}"
            )

    def draw(self, logits: Tensor, uniforms: Tensor) -> list[int]:
        """One token for each row of logits (n, V), by inversion of uniforms (n,) in [0, 1)."""
        top = logits.topk(min(self.top_k, logits.shape[-1]), dim=-1)
        probabilities = torch.softmax(top.values.double().cpu() / self.temperature, -1)
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities * (before < self.top_p)
        cumulative = probabilities.cumsum(-1)
        points = uniforms.double()[:, None] * cumulative[:, -1:]
        # `right` skips tokens of probability 0; the clamp guards against a point that rounds up to the total mass.
        chosen = torch.searchsorted(cumulative, points, right=True).clamp_max((probabilities > 0).sum(-1, True) - 1)
        return top.indices.cpu().gather(-1, chosen)[:, 0].tolist()


@dataclass
class Extender:
    """Lengthens particles by draws from p and counts the tokens.

    Attributes:
        sampling: see `Sampling`.
        generator: source of all randomness, on the CPU.
        cost: where tokens are counted.
    """

    sampling: Sampling
    generator: torch.Generator
    cost: Cost = field(default_factory=Cost)

    def done(self, particles: Particles) -> list[bool]:
        """Whether each particle has ended by itself or was cut at `max_tokens`."""
        limit = self.sampling.max_tokens
        return [end or len(row) >= limit for end, row in zip(particles.finished, particles.tokens, strict=True)]

    def extend(self, particles: Particles, chunk: int | None = None) -> None:
        """Lengthen every particle that is not done, in place.

        Args:
            particles: to be lengthened.
            chunk: stop after this many tokens or at the end of a sentence, whichever comes first; None: to the end.
        """
        live = [row for row, done in enumerate(self.done(particles)) if not done]
        steps = 0
        while live and (chunk is None or steps < chunk):
            # One draw for every particle, live or not: a particle's draws do not depend on who else has ended.
            uniforms = torch.rand(len(particles), generator=self.generator, dtype=torch.float64)
            drawn = self.sampling.draw(particles.next_logits(live), uniforms[live])
            particles.append(live, drawn)
            self.cost.lm_tokens += len(live)
            steps += 1
            paused = {row for row, token in zip(live, drawn, strict=True) if chunk and particles.pauses(token)}
            done = self.done(particles)
            live = [row for row in live if not done[row] and row not in paused]
