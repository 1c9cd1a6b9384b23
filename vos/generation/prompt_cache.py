"""Particles over one shared prompt cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from vos.errors import ShapeError


class CachedModel(Protocol):
    """What particles need of a language model."""

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache, last: Tensor) -> Tensor:
        """See `LanguageModel.forward`."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens."""
        ...

    def ends_text(self, token: int) -> bool:
        """Whether a text is over with this token."""
        ...

    def ends_sentence(self, token: int) -> bool:
        """Whether a sentence is over with this token."""
        ...


class PromptParticles:
    """Implements `Particles` for a causal transformer; made by `LanguageModel.start`.

    Tokens enter the cache when the logits after them are first wanted, several at once where a particle was given
    whole. The cache holds the prompt, then the particles' tokens in the order in which they were computed.
    """

    def __init__(
        self,
        model: CachedModel,
        n_prompt: int,
        prompt_logits: Tensor,
        cache: DynamicCache,
        tokens: list[list[int]],
        cached: list[int],
        owner: Tensor,
        step: Tensor,
    ) -> None:
        self._model = model
        self._n_prompt = n_prompt
        self._prompt_logits = prompt_logits
        self._cache = cache
        self._tokens = tokens
        self._cached = cached  # for each particle, how many of its tokens the cache holds
        self._owner = owner  # (e,) particle of each cached token after the prompt
        self._step = step  # (e,) its place in the particle
        self._finished = [bool(row) and model.ends_text(row[-1]) for row in tokens]

    @classmethod
    def start(cls, model: CachedModel, prompt: Sequence[int], n: int) -> PromptParticles:
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
        return len(self._tokens)

    @property
    def tokens(self) -> Sequence[Sequence[int]]:
        """The sequences, prompt left out."""
        return self._tokens

    @property
    def finished(self) -> Sequence[bool]:
        """Whether each sequence has ended by itself."""
        return self._finished

    def texts(self) -> list[str]:
        """The sequences as texts."""
        return [self._model.decode(row) for row in self._tokens]

    def pauses(self, token: int) -> bool:
        """Whether a sentence ends with this token."""
        return self._model.ends_sentence(token)

    def append(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Lengthen these sequences by one token each.

        Raises:
            ShapeError: one of them is finished.
        """
        for row, token in zip(rows, tokens, strict=True):
            if self._finished[row]:
                raise ShapeError(f"particle {row} is finished and cannot grow")
            self._tokens[row].append(token)
            self._finished[row] = self._model.ends_text(token)

    def next_logits(self, rows: Sequence[int]) -> Tensor:
        """Logits (len(rows), V) float32 after these sequences.

        Raises:
            ShapeError: a sequence has not grown since it was last asked about.
        """
        fed = [(row, step) for row in rows for step in range(self._cached[row], len(self._tokens[row]))]
        counts = [len(self._tokens[row]) - self._cached[row] for row in rows]
        if any(not count and self._tokens[row] for row, count in zip(rows, counts, strict=True)):
            raise ShapeError("next_logits: append to a particle before asking about it again")
        logits = self._prompt_logits.expand(len(rows), -1)
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
        tokens = torch.tensor([self._tokens[row][place] for row, place in fed])
        self._owner = torch.cat((self._owner, owner))
        self._step = torch.cat((self._step, step))
        own = (self._owner[None, :] == owner[:, None]) & (self._step[None, :] <= step[:, None])
        prompt = torch.ones(len(fed), self._n_prompt, dtype=torch.bool)
        mask = torch.cat((prompt, own), -1)
        for row, place in fed:
            self._cached[row] = place + 1
        return self._model.forward(tokens, self._n_prompt + step, mask, self._cache, last)

    def select(self, rows: Sequence[int], lengths: Sequence[int] | None = None) -> PromptParticles:
        """New particles, copies of these rows, cut to `lengths` tokens when given.

        The last token of a cut particle leaves the cache too: the logits after it have to be computed again.
        """
        lengths = [len(self._tokens[row]) for row in rows] if lengths is None else lengths
        tokens = [list(self._tokens[row][:length]) for row, length in zip(rows, lengths, strict=True)]
        cached = [min(self._cached[row], max(len(kept) - 1, 0)) for row, kept in zip(rows, tokens, strict=True)]
        # (rows, e): which cached tokens each new particle takes along.
        taken = (self._owner[None, :] == torch.tensor(rows)[:, None]) & (
            self._step[None, :] < torch.tensor(cached)[:, None]
        )
        owner, entry = taken.nonzero(as_tuple=True)
        keep = torch.cat((torch.arange(self._n_prompt), self._n_prompt + entry))
        return PromptParticles(
            self._model,
            self._n_prompt,
            self._prompt_logits,
            _gather([self._cache], [keep]),
            tokens,
            cached,
            owner,
            self._step[entry],
        )

    def joined(self, other: PromptParticles) -> PromptParticles:
        """New particles: these, then the others."""
        everything = torch.arange(self._n_prompt + len(self._owner))
        suffix = other._n_prompt + torch.arange(len(other._owner))
        return PromptParticles(
            self._model,
            self._n_prompt,
            self._prompt_logits,
            _gather([self._cache, other._cache], [everything, suffix]),
            [list(row) for row in (*self._tokens, *other._tokens)],
            [*self._cached, *other._cached],
            torch.cat((self._owner, other._owner + len(self))),
            torch.cat((self._step, other._step)),
        )


def _gather(caches: Sequence[DynamicCache], indices: Sequence[Tensor]) -> DynamicCache:
    """One cache made of the keys and values of several, at the given places (each (k_i,))."""
    result = DynamicCache()
    for number, layers in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        places = [index.to(layers[0].keys.device) for index in indices]
        keys = [layer.keys[:, :, place] for layer, place in zip(layers, places, strict=True)]
        values = [layer.values[:, :, place] for layer, place in zip(layers, places, strict=True)]
        result.update(torch.cat(keys, -2), torch.cat(values, -2), number)
    return result
