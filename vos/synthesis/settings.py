"""Settings of the texts that a language model makes within a synthesis."""

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
        language_model: loads it; called only when a target needs it.
        text_generator: see `TextGeneratorSettings`.
        pool_first: True: beside the pool's texts (acquisition=targets: only for targets that the pool leaves short of
            `text_generator.stages.per_target` texts); False: instead of the pool's.
        share: of the near-boundary texts that are made, with acquisition=coverage and `pool_first`; the pool fills the
            places that made texts leave, in [0, 1].
        targets: places that are written for, at most, with acquisition=coverage: one for each text wanted, the least
            covered ones of the boundary, up to half of them virtual outliers that a real text is near. Each costs
            tokens and gives up to `text_generator.stages.per_target` texts.
        margin: the margin asked for at those places, in logit units; None: that of the sampler of virtual outliers,
            and 0 where it has none.
        counterfactuals: also rewrite training texts until they cross the boundary; None leaves that out.
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
        # What loads a model behind a server knows before it loads that no probabilities will come.
        self.text_generator.stages.check(gives_logits=getattr(self.language_model, "gives_logits", True))
