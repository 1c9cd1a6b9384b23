"""Protocols of language models that write texts, in this process or behind a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vos.generation.particles import Cost, Sampling, TextExtender


@dataclass(frozen=True)
class Answer:
    """The answer of a model to an instruction.

    Attributes:
        text: one line.
        ended: whether it ended by itself.
    """

    text: str
    ended: bool


class Instructed(Protocol):
    """A language model that follows instructions."""

    def answers(
        self, instructions: Sequence[str], sampling: Sampling, generator: torch.Generator, cost: Cost
    ) -> list[Answer]:
        """One answer to each instruction, in their order; tokens are added to `cost`."""


class LanguageModelWriter(Protocol):
    """Interface of language models for drafts: partial texts after a prompt, of its own type, and an extender."""

    @property
    def name(self) -> str:
        """Name for messages and reports."""

    @property
    def fingerprint(self) -> str:
        """Identifies the model, 16 hexadecimal characters."""

    @property
    def gives_logits(self) -> bool:
        """Whether next-token probabilities are available, which sequential Monte Carlo and moves need."""

    @property
    def instructed(self) -> Instructed | None:
        """The same model as one that follows instructions; None if it does not."""

    def start(self, prompt: str, n: int, max_tokens: int) -> Any:
        """`n` empty particles after a prompt."""

    def with_texts(self, empty: Any, texts: Sequence[str], max_tokens: int) -> Any:
        """Particles that hold given texts after the prompt of `empty`."""

    def with_beginnings(self, empty: Any, beginnings: Sequence[str]) -> Any:
        """Particles that hold the beginnings of texts after the prompt of `empty`."""

    @property
    def log_probabilities(self) -> Callable[[str], Tensor] | None:
        """Returns the log-probability (t,) of each token of a text without a prompt; None if not available."""

    def extender(self, sampling: Sampling, generator: torch.Generator, cost: Cost | None = None) -> TextExtender[Any]:
        """The extender of these particles."""
