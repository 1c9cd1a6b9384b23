"""Particles that share one prompt cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from vos.errors import ShapeError

if TYPE_CHECKING:
    from vos.generation.language_model import LanguageModel


@dataclass(eq=False)
class PromptParticles:
    """Implements `Particles` for a causal transformer; created by `LanguageModel.start`.

    Tokens are added to the cache when the logits after them are first needed, several at once for a given text. The
    cache contains the prompt, then the particles' tokens in the order in which they were computed.

    Attributes:
        model: gives logits and reads tokens.
        n_prompt: number of tokens of the prompt.
        prompt_logits: (1, V) after the prompt.
        cache: keys and values.
        tokens: tokens of each particle, without the prompt.
        cached: for each particle, how many of its tokens are in the cache.
        owner: (e,) particle of each cached token after the prompt.
        step: (e,) its position in the particle.
        finished: whether each particle has ended by itself.
    """

    model: LanguageModel
    n_prompt: int
    prompt_logits: Tensor
    cache: DynamicCache
    tokens: list[list[int]]
    cached: list[int]
    owner: Tensor
    step: Tensor
    finished: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.finished = [bool(row) and self.model.ends_text(row[-1]) for row in self.tokens]

    @classmethod
    def start(cls, model: LanguageModel, prompt: Sequence[int], n: int) -> PromptParticles:
        """`n` empty particles after the tokens of a prompt."""
        n_prompt = len(prompt)
        cache = DynamicCache()
        places = torch.arange(n_prompt)
        causal = places[None, :] <= places[:, None]
        logits = model.forward(torch.tensor(prompt), places, causal, cache, places[-1:])
        none = torch.empty(0, dtype=torch.int64)
        return cls(model, n_prompt, logits, cache, [[] for _ in range(n)], [0] * n, none, none)

    def __len__(self) -> int:
        """Number of particles."""
        return len(self.tokens)

    def texts(self) -> list[str]:
        """The sequences as texts."""
        return [self.model.decode(row) for row in self.tokens]

    def pauses(self, token: int) -> bool:
        """Whether a sentence ends with this token."""
        return self.model.ends_sentence(token)

    def append(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Append one token to each of these sequences.

        Raises:
            ShapeError: one of them is finished.
        """
        for row, token in zip(rows, tokens, strict=True):
            if self.finished[row]:
                raise ShapeError(f"particle {row} is finished and cannot grow")
            self.tokens[row].append(token)
            self.finished[row] = self.model.ends_text(token)

    def next_logits(self, rows: Sequence[int]) -> Tensor:
        """Logits (len(rows), V) float32 after these sequences.

        Raises:
            ShapeError: a sequence has not been extended since its last call.
        """
        fed = [(row, step) for row in rows for step in range(self.cached[row], len(self.tokens[row]))]
        counts = [len(self.tokens[row]) - self.cached[row] for row in rows]
        if any(not count and self.tokens[row] for row, count in zip(rows, counts, strict=True)):
            raise ShapeError("next_logits: append to a particle before asking about it again")
        logits = self.prompt_logits.expand(len(rows), -1)
        if not fed:
            return logits
        computed = self._feed(fed, torch.tensor([c for c in counts if c]).cumsum(0) - 1)
        if len(computed) == len(rows):
            return computed
        logits = logits.clone()
        logits[torch.tensor([bool(count) for count in counts], device=logits.device)] = computed
        return logits

    def _feed(self, fed: Sequence[tuple[int, int]], last: Tensor) -> Tensor:
        owner, step = (torch.tensor(part) for part in zip(*fed, strict=True))
        tokens = torch.tensor([self.tokens[row][place] for row, place in fed])
        self.owner = torch.cat((self.owner, owner))
        self.step = torch.cat((self.step, step))
        own = (self.owner[None, :] == owner[:, None]) & (self.step[None, :] <= step[:, None])
        prompt = torch.ones(len(fed), self.n_prompt, dtype=torch.bool)
        mask = torch.cat((prompt, own), -1)
        for row, place in fed:
            self.cached[row] = place + 1
        return self.model.forward(tokens, self.n_prompt + step, mask, self.cache, last)

    def select(self, rows: Sequence[int], lengths: Sequence[int] | None = None) -> PromptParticles:
        """New particles, copies of these rows, truncated to `lengths` tokens if given.

        The last token of a truncated particle is removed from the cache too, as the logits after it must be recomputed.
        """
        lengths = [len(self.tokens[row]) for row in rows] if lengths is None else lengths
        tokens = [list(self.tokens[row][:length]) for row, length in zip(rows, lengths, strict=True)]
        cached = [min(self.cached[row], max(len(kept) - 1, 0)) for row, kept in zip(rows, tokens, strict=True)]
        # (rows, e): which cached tokens each new particle keeps.
        taken = (self.owner[None, :] == torch.tensor(rows)[:, None]) & (
            self.step[None, :] < torch.tensor(cached)[:, None]
        )
        owner, entry = taken.nonzero(as_tuple=True)
        keep = torch.cat((torch.arange(self.n_prompt), self.n_prompt + entry))
        cache = _gather([self.cache], [keep])
        return replace(self, cache=cache, tokens=tokens, cached=cached, owner=owner, step=self.step[entry])

    def joined(self, other: PromptParticles) -> PromptParticles:
        """New particles: these, then the others."""
        everything = torch.arange(self.n_prompt + len(self.owner))
        suffix = other.n_prompt + torch.arange(len(other.owner))
        return replace(
            self,
            cache=_gather([self.cache, other.cache], [everything, suffix]),
            tokens=[list(row) for row in (*self.tokens, *other.tokens)],
            cached=self.cached + other.cached,
            owner=torch.cat((self.owner, other.owner + len(self))),
            step=torch.cat((self.step, other.step)),
        )


def _gather(caches: Sequence[DynamicCache], indices: Sequence[Tensor]) -> DynamicCache:
    """Combine the keys and values of several caches at the given indices (each (k_i,)) into one cache."""
    result = DynamicCache()
    for number, layers in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        places = [index.to(layers[0].keys.device) for index in indices]
        keys = [layer.keys[:, :, place] for layer, place in zip(layers, places, strict=True)]
        values = [layer.values[:, :, place] for layer, place in zip(layers, places, strict=True)]
        result.update(torch.cat(keys, -2), torch.cat(values, -2), number)
    return result
