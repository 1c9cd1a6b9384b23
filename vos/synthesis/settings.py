"""Settings of the texts that a language model makes within a synthesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vos.generation.counterfactuals import CounterfactualSettings
from vos.generation.language_model import LanguageModel
from vos.generation.settings import TextGeneratorSettings


@dataclass(frozen=True)
class GenerationSettings:
    """For which targets a language model writes, and how.

    Attributes:
        language_model: loads it; called only when a target needs it.
        text_generator: see `TextGeneratorSettings`.
        pool_first: True: only for targets that the pool leaves short of `text_generator.stages.per_target` texts,
            beside the pool's; False: for every target, instead of the pool's.
        counterfactuals: also rewrite training texts until they cross the boundary; None leaves that out.
    """

    language_model: Callable[[], LanguageModel]
    text_generator: TextGeneratorSettings = field(default_factory=TextGeneratorSettings)
    pool_first: bool = True
    counterfactuals: CounterfactualSettings | None = None
