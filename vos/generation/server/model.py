"""A language model behind a server, with the interface for drafts: text in, text out."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from vos.generation.particles import Cost, Sampling
from vos.generation.server.client import SEEDS, ServerClient, Usage
from vos.generation.server.instructions import continuation, without_echo
from vos.generation.server.replies import CUT, Completion, CompletionRequest
from vos.generation.writer import Answer

PIECES = re.compile(r"\s*\S+")

TOKENS_PER_WORD = 1.3
"""Approximate value for English, to estimate the tokens of a text that the server has not counted."""


@dataclass(eq=False)
class ServedTexts:
    """Implements `PartialTexts`: texts after a prompt, split into words.

    Attributes:
        prompt: text before each.
        tokens: words of each text, with spaces.
        finished: whether each has ended by itself.
        spent: number of tokens of each, as counted by the server, or estimated.
    """

    prompt: str
    tokens: list[list[str]]
    finished: list[bool]
    spent: list[int]

    @classmethod
    def of(cls, prompt: str, texts: Sequence[str]) -> ServedTexts:
        """Unfinished texts after a prompt."""
        pieces = [PIECES.findall(f" {text}") if text else [] for text in texts]
        return cls(prompt, pieces, [False] * len(pieces), [_guess(row) for row in pieces])

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.tokens)

    def texts(self) -> list[str]:
        """The texts, with one space between words."""
        return [" ".join("".join(row).split()) for row in self.tokens]

    def select(self, rows: Sequence[int], lengths: Sequence[int] | None = None) -> ServedTexts:
        """New texts, copies of these rows, truncated to `lengths` words if given; truncated texts are not finished."""
        tokens = [list(self.tokens[row]) for row in rows]
        finished, spent = [self.finished[row] for row in rows], [self.spent[row] for row in rows]
        for row, length in enumerate(lengths or ()):
            if length < len(tokens[row]):
                tokens[row] = tokens[row][:length]
                finished[row], spent[row] = False, _guess(tokens[row])
        return ServedTexts(self.prompt, tokens, finished, spent)


def _guess(pieces: Sequence[str]) -> int:
    return round(TOKENS_PER_WORD * len(pieces))


@dataclass
class ServedExtender:
    """Implements `TextExtender`: the requests of each round are sent concurrently, equal texts in one request.

    Attributes:
        client: see `ServerClient`.
        sampling: see `Sampling`; `top_k` is not sent, as not every server supports it.
        generator: source of the seeds.
        cost: where tokens are counted.
    """

    client: ServerClient
    sampling: Sampling
    generator: torch.Generator
    cost: Cost = field(default_factory=Cost)

    def done(self, particles: ServedTexts) -> list[bool]:
        """Whether each text has ended by itself or reached the token limit."""
        limit = self.sampling.max_tokens
        return [end or spent >= limit for end, spent in zip(particles.finished, particles.spent, strict=True)]

    def extend(self, particles: ServedTexts, chunk: int | None = None) -> None:
        """Extend every unfinished text, in place.

        Args:
            particles: texts to extend.
            chunk: largest number of tokens; None: to the end.
        """
        seeds = torch.randint(SEEDS - 1, (len(particles),), generator=self.generator).tolist()
        limit, texts = self.sampling.max_tokens, particles.texts()
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row, done in enumerate(self.done(particles)):
            if not done:
                left = limit - particles.spent[row]
                groups[texts[row], left if chunk is None else min(chunk, left)].append(row)
        asked = [
            self._request(particles.prompt, text, len(rows), tokens, seeds[rows[0]])
            for (text, tokens), rows in groups.items()
        ]
        for ((text, _), rows), reply in zip(groups.items(), self.client.complete_all(asked), strict=True):
            self.cost.lm_tokens += reply.completion_tokens
            share = max(1, -(-reply.completion_tokens // len(rows)))
            for row, completion in zip(rows, reply.completions, strict=True):
                self._append(particles, row, text, completion)
                particles.spent[row] = limit if chunk is None else particles.spent[row] + share

    def _request(self, prompt: str, text: str, n: int, tokens: int, seed: int) -> CompletionRequest:
        sampling = self.sampling
        if self.client.abilities.completions is not None:
            whole = f"{prompt}{_blank(prompt)}{text}" if text else prompt
            return CompletionRequest(whole, n, tokens, sampling.temperature, ("\n",), seed, sampling.top_p)
        # A chat answer may begin with an empty line: it is requested without a stop text and truncated here.
        instruction = continuation(prompt, text)
        return CompletionRequest(instruction, n, tokens, sampling.temperature, (), seed, sampling.top_p, chat=True)

    def _append(self, particles: ServedTexts, row: int, text: str, completion: Completion) -> None:
        chat = self.client.abilities.completions is None
        written = completion.text if text and not chat else completion.text.lstrip("\n")
        line, _, rest = written.partition("\n")
        line = without_echo(text, line) if chat else line
        particles.tokens[row] += PIECES.findall(line)
        particles.finished[row] = completion.finish_reason != CUT or bool(rest.strip())


def _blank(prompt: str) -> str:
    return "" if prompt.endswith(("\n", " ")) else " "


class ServedLanguageModel:
    """A language model behind a server.

    Args:
        client: see `ServerClient`.

    Attributes:
        gives_logits: False: a server returns only text, so sequential Monte Carlo and moves need local models.
        log_probabilities: None, for the same reason.
    """

    gives_logits, log_probabilities = False, None

    def __init__(self, client: ServerClient) -> None:
        self.client = client
        self.name = f"{client.model} at {client.transport.url}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex, first 16 characters) of address, model and interface, as the weights are not accessible."""
        able = self.client.abilities
        interfaces = [able.completions is not None, able.chat is not None]
        facts = [self.client.transport.url, self.client.model, *interfaces, dict(self.client.extra)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]

    @property
    def usage(self) -> Usage:
        """Requests to the server so far, and their cost."""
        return self.client.usage

    @property
    def instructed(self) -> ServedLanguageModel | None:
        """This model if the server offers chat, otherwise None."""
        return self if self.client.abilities.chat is not None else None

    def start(self, prompt: str, n: int, max_tokens: int) -> ServedTexts:  # noqa: ARG002 - the server knows its context
        """`n` empty texts after a prompt."""
        return ServedTexts.of(prompt, [""] * n)

    def with_texts(self, empty: ServedTexts, texts: Sequence[str], max_tokens: int) -> ServedTexts:
        """Given texts after the prompt of `empty`, truncated to `max_tokens`."""
        whole = ServedTexts.of(empty.prompt, texts)
        longest = int(max_tokens / TOKENS_PER_WORD)
        return whole.select(range(len(whole)), [min(len(row), longest) for row in whole.tokens])

    def with_beginnings(self, empty: ServedTexts, beginnings: Sequence[str]) -> ServedTexts:
        """The beginnings of texts after the prompt of `empty`."""
        return ServedTexts.of(empty.prompt, beginnings)

    def extender(self, sampling: Sampling, generator: torch.Generator, cost: Cost | None = None) -> ServedExtender:
        """The extender of these texts."""
        return ServedExtender(self.client, sampling, generator, Cost() if cost is None else cost)

    def answers(
        self, instructions: Sequence[str], sampling: Sampling, generator: torch.Generator, cost: Cost
    ) -> list[Answer]:
        """The first line of the model's answer to each instruction.

        Raises:
            ServerError: the server failed.
        """
        seeds = torch.randint(SEEDS - 1, (len(instructions),), generator=generator).tolist()
        replies = self.client.complete_all(
            [
                CompletionRequest(
                    each, 1, sampling.max_tokens, sampling.temperature, (), seed, sampling.top_p, chat=True
                )
                for each, seed in zip(instructions, seeds, strict=True)
            ]
        )
        cost.lm_tokens += sum(reply.completion_tokens for reply in replies)
        answers = []
        for reply in replies:
            line, _, rest = reply.completions[0].text.strip().partition("\n")
            ended = reply.completions[0].finish_reason != CUT or bool(rest.strip())
            answers.append(Answer(" ".join(without_echo("", line).split()), ended))
        return answers
