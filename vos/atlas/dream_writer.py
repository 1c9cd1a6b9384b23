"""Writes new texts for dreams: plain samples after strongly activating texts, under the rules of generated texts."""

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
    """Continues a list of strongly activating texts with a new one, several times, and drops texts that break a rule.

    Attributes:
        language_model: writes the texts.
        known: texts that a new text must not copy.
        seed: seed of the generators; every target and round has its own.
        settings: rules, sampling and the length of examples.
        n: number of texts tried in a round.
        refused: number of dropped texts, by reason.
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
        # The most strongly activating text comes last, as a small language model attends most to the end of its prompt.
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
