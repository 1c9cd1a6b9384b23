"""The potential φ_z of a text: how near its activations are to a target, its length, its newness, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.generation.prefix_value import PrefixValue
from vos.generation.rules import Novelty, TextRules, words
from vos.generation.smc import effective_sample_size
from vos.metrics.boundary import margin
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.types import Featurizer


@dataclass(frozen=True)
class Shape:
    """Soft wishes about the text itself: `-½ (excess / scale)²` each.

    Attributes:
        min_words: fewer words cost.
        max_words: more words cost.
        word_scale: excess words that cost half a nat.
        similarity: similarity to a known text above this costs, see `Novelty`.
        similarity_scale: excess similarity that costs half a nat. A chain that starts from a real text is pushed away
            from it, but not thrown to the first text that is new.
    """

    min_words: int = 5
    max_words: int = 30
    word_scale: float = 3.0
    similarity: float = 0.65
    similarity_scale: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words or min(self.word_scale, self.similarity_scale) <= 0:
            raise ConfigError(f"shape: expected 0 <= min_words <= max_words and scales > 0, got {self}")


@dataclass(frozen=True)
class Reading:
    """Texts as the classifier and the rules see them.

    Attributes:
        texts: n texts.
        ended: whether each ended by itself.
        features: (n, d).
        logits: (n, C).
        margins: (n,) logit units.
        similarity: (n,) to the nearest known text, see `Novelty`.
    """

    texts: tuple[str, ...]
    ended: tuple[bool, ...]
    features: Tensor
    logits: Tensor
    margins: Tensor
    similarity: Tensor


def read(featurizer: Featurizer, novelty: Novelty, texts: Sequence[str], ended: Sequence[bool]) -> Reading:
    """Features, logits, margins and similarity of texts."""
    batch = featurizer.featurize(texts)
    return Reading(
        tuple(texts), tuple(ended), batch.features, batch.logits, margin(batch.logits), novelty.similarity(texts)
    )


@dataclass(frozen=True)
class TextForm:
    """What is asked of a text apart from its activations.

    Attributes:
        shape: soft wishes.
        rules: hard rules for whole texts.
        novelty: of texts against the known ones.
        shots: examples of the prompt, which a text must not copy.
    """

    shape: Shape
    rules: TextRules
    novelty: Novelty
    shots: tuple[str, ...]

    def broken(self, text: str, *, ended: bool) -> str | None:
        """The first hard rule that a whole text breaks, see `TextRules.broken`."""
        return self.rules.broken(text, self.shots, ended=ended)

    def log_value(self, reading: Reading) -> Tensor:
        """What the soft wishes cost each text: (n,) float64, at most 0."""
        shape = self.shape
        counts = torch.tensor([len(words(text)) for text in reading.texts], dtype=torch.float64)
        length = torch.maximum(counts - shape.max_words, shape.min_words - counts).clamp_min(0.0)
        copied = (reading.similarity - shape.similarity).clamp_min(0.0)
        return -0.5 * (length / shape.word_scale) ** 2 - 0.5 * (copied / shape.similarity_scale) ** 2


class TargetPotential:
    """Implements `TextPotential` for one target.

    Args:
        featurizer: the frozen classifier.
        space: see `TargetSpace`.
        goal: exactly one target.
        potential: see `Potential`.
        form: see `TextForm`.
        prefix_value: gives what tells where an unfinished text will land; called when it is first needed.

    Attributes:
        readings: what `whole` was asked about since the list was last emptied, so that every text that was paid for
            can be looked at once more.
    """

    def __init__(
        self,
        featurizer: Featurizer,
        space: TargetSpace,
        goal: Targets,
        potential: Potential,
        form: TextForm,
        prefix_value: Callable[[], PrefixValue],
    ) -> None:
        self.featurizer, self.space, self.goal, self.potential = featurizer, space, goal, potential
        self.form, self.prefix_value = form, prefix_value
        self.readings: list[Reading] = []

    def whole(self, texts: Sequence[str], ended: Sequence[bool]) -> Tensor:
        """Log φ (n,) of finished texts, -inf where a rule is broken."""
        reading = read(self.featurizer, self.form.novelty, texts, ended)
        self.readings.append(reading)
        broken = [self.form.broken(text, ended=end) is not None for text, end in zip(texts, ended, strict=True)]
        return self.soft(reading).masked_fill(torch.tensor(broken, dtype=torch.bool), -math.inf)

    def prefix(self, texts: Sequence[str]) -> Tensor:
        """Log of the φ (n,) expected of whole texts that begin so; only their activations count before they end."""
        prefix_value = self.prefix_value()
        expected, lengths = prefix_value.expected(texts)
        return prefix_value.log_value(expected, lengths, self.goal, self.potential)

    def soft(self, reading: Reading) -> Tensor:
        """Log φ (n,) without the hard rules."""
        near, _ = self.space.log_potential(reading.features, reading.margins, self.goal, self.potential)
        return near[:, 0] + self.form.log_value(reading)


def tuned(potential: Potential, distances: Tensor, ess: float = 8.0, largest: float = 64.0) -> Potential:
    """The potential with β such that a pilot sample has the wished effective sample size.

    With a larger β a few texts of the pilot carry all the weight and no sampler can follow; with a smaller one φ hardly
    tells near from far. Found by bisection: the effective sample size falls as β grows.

    Args:
        potential: its β is replaced, at most by `largest`.
        distances: (n,) D of the pilot texts.
        ess: wished, at least 1.
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
