"""The generator of made texts as the writer of dreams: plain samples after exciting texts, under its own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from vos.generation.language_model import LanguageModel
from vos.generation.particles import Extender
from vos.generation.rules import Novelty, has_debris
from vos.generation.settings import TextGeneratorSettings


@dataclass
class DreamWriter:
    """Continues a list of exciting texts with a new one, many times, and leaves out what breaks a rule.

    Attributes:
        language_model: writes.
        known: texts that a new one must not copy.
        seed: gives the generator of each round; every target and round has draws of its own.
        settings: rules, sampling and the length of examples.
        n: texts that are tried in a round.
        refused: why texts were left out, and how many.
    """

    language_model: LanguageModel
    known: Sequence[str]
    seed: Callable[[int], torch.Generator]
    settings: TextGeneratorSettings = field(default_factory=TextGeneratorSettings)
    n: int = 16
    refused: dict[str, int] = field(default_factory=dict)

    def __call__(self, examples: Sequence[str], number: int) -> list[str]:
        """New texts like the examples; see `vos.interpret.dreams.Write`."""
        most = self.settings.prompts.max_words
        shots = [" ".join(each.split()) for each in examples if not has_debris(each) and len(each.split()) <= most]
        if not shots:
            return []
        # The most exciting stands last, where a small language model looks most.
        prompt = "".join(f"- {shot}\n" for shot in reversed(shots)) + "-"
        empty = self.language_model.start(prompt, 1, self.settings.sampling.max_tokens)
        particles = empty.select([0] * self.n)
        Extender(self.settings.sampling, self.seed(number)).extend(particles)
        texts = particles.texts()
        similarity = Novelty([*self.known, *examples]).similarity(texts).tolist()
        kept = []
        for text, ended, alike in zip(texts, particles.finished, similarity, strict=True):
            flaw = self.settings.rules.broken(text, shots, ended=ended)
            if flaw is None and alike >= self.settings.rules.max_similarity:
                flaw = "near-copy of a known text"
            if flaw is None:
                kept.append(text)
            else:
                self.refused[flaw] = self.refused.get(flaw, 0) + 1
        return kept
