"""The text generator: models, real texts, settings, and what is fitted to them once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density import GaussianDensity
from vos.generation.drafts import Beginnings
from vos.generation.fluency import Fluency
from vos.generation.prefix_value import PrefixValue
from vos.generation.prompts import Prompt, RealTexts
from vos.generation.rules import Novelty
from vos.generation.settings import TextGeneratorSettings
from vos.generation.writer import LanguageModelWriter
from vos.mining.targets import Potential, TargetSpace
from vos.storage.provenance import Provenance
from vos.storage.seeds import derive_seed
from vos.types import Featurizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """Texts with the results of the classifier and the rules.

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


@dataclass(frozen=True)
class TextGenerator:
    """All objects that are needed to generate texts.

    Attributes:
        language_model: see `LanguageModelWriter`.
        featurizer: the frozen classifier.
        density: fitted on the training features.
        space: see `TargetSpace`.
        real: labelled training texts; prompts and chains start from them, and made texts must differ from them.
        potential: see `Potential`; delta is also the half-width of the band of margins that accepted texts lie in.
        settings: see `TextGeneratorSettings`.
        seed: all randomness derives from it; each prompt and each target has a stream of its own, so that any of them
            can be made again alone.
    """

    language_model: LanguageModelWriter
    featurizer: Featurizer
    density: GaussianDensity
    space: TargetSpace
    real: RealTexts
    potential: Potential
    settings: TextGeneratorSettings
    seed: int

    def __post_init__(self) -> None:
        self.settings.stages.check(gives_logits=self.language_model.gives_logits)

    def stream(self, *parts: int | str) -> tuple[int, torch.Generator]:
        """A separate seed for one part of the work, and a generator with this seed."""
        seed = derive_seed(self.seed, *parts)
        return seed, torch.Generator().manual_seed(seed)

    def read(self, texts: Sequence[str], ended: Sequence[bool]) -> Reading:
        """Features, logits, margins and similarity of texts."""
        batch, similarity = self.featurizer.featurize(texts), self.novelty.similarity(texts)
        return Reading(
            tuple(texts), tuple(ended), batch.features, batch.logits, self.space.margins(batch.logits), similarity
        )

    def origin(self, source: str, prompt: Prompt, seed: int) -> Provenance:
        """The provenance shared by texts written after a prompt."""
        fingerprint = self.language_model.fingerprint
        return Provenance(source, prompt_hash=prompt.hash, language_model=fingerprint, seed=seed)

    @functools.cached_property
    def novelty(self) -> Novelty:
        """Novelty of texts relative to the real ones."""
        return Novelty(self.real.texts)

    @functools.cached_property
    def fluency(self) -> Fluency | None:
        """Fluency fitted to the real texts without debris; None if it is not requested or not available."""
        settings, ask = self.settings.fluency, self.language_model.log_probabilities
        if not settings.refuses:
            return None
        if ask is None:
            logger.warning("%s gives text alone: how likely texts are is not asked", self.language_model.name)
            return None
        _, generator = self.stream("fluency")
        texts = [" ".join(self.real.texts[row].split()) for row in sorted(self.real.clean)]
        return Fluency(ask, texts, settings, generator)

    def unlike_real(self, text: str) -> str | None:
        """Why a text is not about as likely as real texts; None if it is, or if this is not checked."""
        return None if self.fluency is None else self.fluency.flaw(text)

    @functools.cached_property
    def prefix_value(self) -> PrefixValue:
        """The prefix value, fitted to the real texts."""
        _, generator = self.stream("prefix value")
        return PrefixValue.fit(
            self.featurizer, self.space, self.real.texts, self.real.places, generator, self.settings.prefix_value_texts
        )

    @functools.cached_property
    def beginnings(self) -> Beginnings:
        """Beginnings of the real texts without debris."""
        _, generator = self.stream("beginnings")
        return Beginnings.of(
            self.real.texts, sorted(self.real.clean), self.prefix_value, self.settings.drafts, generator
        )
