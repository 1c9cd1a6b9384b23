"""Settings for making texts: the stages, and their budgets."""

from __future__ import annotations

from dataclasses import dataclass, field

from vos.errors import ConfigError
from vos.generation.drafts import DraftSettings
from vos.generation.fluency import FluencySettings
from vos.generation.instructed import InstructionSettings
from vos.generation.particles import Sampling
from vos.generation.prefix_value import FEWEST
from vos.generation.prompts import PromptSettings
from vos.generation.rules import Shape, TextRules
from vos.generation.smc import SMCSettings


@dataclass(frozen=True)
class Stages:
    """The stages tried for a target, in this order, until enough texts are accepted or its budget is used up.

    Attributes:
        per_target: number of accepted texts with which a target is finished.
        max_distance: largest distance of an accepted text from its target, in units of the space.
        tokens: token budget of a target; once it is used up, no new stage starts.
        pilot: number of plain samples per prompt, shared by its targets.
        pilot_ess: β of the potential is set per target so that the pilot has this effective sample size; None: keep the
            potential's β.
        rounds: largest number of rounds of drafts from beginnings of real texts; 0: skip this stage.
        mcmc_chains: number of Metropolis-Hastings chains that start from the nearest real texts; 0: skip this stage.
        mcmc_moves: largest number of moves of each chain.
        smc: whether to run sequential Monte Carlo, and Metropolis-Hastings moves from its particles, at the end.
    """

    per_target: int = 5
    max_distance: float = 1.25
    tokens: int = 3000
    pilot: int = 8
    pilot_ess: float | None = None
    rounds: int = 4
    mcmc_chains: int = 0
    mcmc_moves: int = 9
    smc: bool = False

    def __post_init__(self) -> None:
        counts = (self.rounds, self.mcmc_chains, self.mcmc_moves)
        if min(self.per_target, self.tokens, self.pilot) < 1 or min(counts) < 0:
            raise ConfigError(
                "stages: expected per_target, tokens and pilot >= 1, rounds, mcmc_chains and mcmc_moves >= 0, "
                f"got {self}"
            )
        if self.max_distance <= 0 or (self.pilot_ess is not None and not 1 <= self.pilot_ess <= self.pilot):
            raise ConfigError(f"stages: expected max_distance > 0 and pilot_ess in [1, pilot] or null, got {self}")

    def check(self, *, gives_logits: bool) -> None:
        """Raise ConfigError if a stage needs next-token probabilities and the language model does not provide them."""
        if not gives_logits and (self.smc or self.mcmc_chains):
            raise ConfigError(
                "stages: expected smc=false and mcmc_chains=0 with language_model=server, which gives text alone, got "
                f"smc={str(self.smc).lower()} and mcmc_chains={self.mcmc_chains}; or take language_model=bundled"
            )


@dataclass(frozen=True)
class TextGeneratorSettings:
    """How texts are made.

    Attributes:
        max_start: targets whose nearest real text in the band of margins is farther away than this, in units of the
            space, are reported as unreachable and cost nothing; None: every target is tried.
        sampling: see `Sampling`.
        shape: see `Shape`.
        rules: see `TextRules`.
        fluency: see `FluencySettings`.
        prompts: see `PromptSettings`.
        prefix_value_texts: number of training texts from which the prefix value is fitted, for each number of words;
            the regressions have ten parameters per column, so a few hundred texts are enough.
        drafts: see `DraftSettings`.
        instructions: see `InstructionSettings`.
        smc: see `SMCSettings`.
        stages: see `Stages`.
    """

    max_start: float | None = 1.1
    sampling: Sampling = field(default_factory=Sampling)
    shape: Shape = field(default_factory=Shape)
    rules: TextRules = field(default_factory=TextRules)
    fluency: FluencySettings = field(default_factory=FluencySettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    prefix_value_texts: int = 800
    drafts: DraftSettings = field(default_factory=DraftSettings)
    instructions: InstructionSettings = field(default_factory=InstructionSettings)
    smc: SMCSettings = field(default_factory=SMCSettings)
    stages: Stages = field(default_factory=Stages)

    def __post_init__(self) -> None:
        if self.prefix_value_texts < FEWEST:
            raise ConfigError(
                f"text_generator: expected prefix_value_texts of at least {FEWEST}, got {self.prefix_value_texts}"
            )
