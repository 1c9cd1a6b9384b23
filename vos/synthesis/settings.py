"""Settings of the texts that a language model writes in a synthesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vos.errors import ConfigError
from vos.generation.counterfactuals import CounterfactualSettings
from vos.generation.settings import TextGeneratorSettings
from vos.generation.writer import LanguageModelWriter


@dataclass(frozen=True)
class GenerationSettings:
    """For which targets a language model writes, and how.

    Attributes:
        language_model: loads the language model; called only when a target needs it.
        text_generator: see `TextGeneratorSettings`.
        pool_first: True: in addition to texts of the pool (acquisition=targets: only for targets with fewer than
            `text_generator.stages.per_target` texts in the pool); False: instead of texts of the pool.
        share: share of made texts among the near-boundary texts, in [0, 1], with acquisition=coverage and
            `pool_first`; places that made texts do not fill are filled from the pool.
        targets: largest number of targets written for, with acquisition=coverage: one per requested text, at the least
            covered places of the boundary, up to half of them virtual outliers near a real text. Each costs tokens and
            gives up to `text_generator.stages.per_target` texts.
        margin: requested margin at these places, in logit units; None: that of the sampler of virtual outliers, or 0
            if it has none.
        counterfactuals: also rewrite training texts until their prediction flips; None: do not.
    """

    language_model: Callable[[], LanguageModelWriter]
    text_generator: TextGeneratorSettings = field(default_factory=TextGeneratorSettings)
    pool_first: bool = True
    share: float = 0.25
    targets: int = 32
    margin: float | None = None
    counterfactuals: CounterfactualSettings | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.targets < 1:
            raise ConfigError(
                f"generation: expected share in [0, 1] and targets >= 1, got share={self.share}, targets={self.targets}"
            )
        # The loader of a model behind a server knows in advance that there will be no probabilities.
        self.text_generator.stages.check(gives_logits=getattr(self.language_model, "gives_logits", True))
