"""Settings and parts of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vos.data import TextData
from vos.density import GaussianDensity
from vos.errors import ConfigError
from vos.loop.next_round import MixSettings
from vos.synthesis.job import SynthesisSettings
from vos.types import Example, Featurizer, OutlierSampler

Oracle = Mapping[str, str]
"""`text_uid` to class name; declared as an oracle in the ledger, so that it is never taken for a person."""

Row = dict[str, str | float]
"""`strategy`, `seed`, `round`, `labels` and test errors."""

Fit = Callable[[Sequence[Example], int, Featurizer | None], Featurizer]
"""Trains the classifier of a round on texts with a seed, and returns it frozen.

The last argument is the classifier of the previous round, None at the start.
"""


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of a simulation.

    Attributes:
        rounds: number of labelling rounds.
        per_round: labels per round.
        seeds: seeds; each has its own start and its own choices.
        strategies: some of "boundary" (this package), "uncertainty" (smallest |margin|) and "random".
        pool: texts that can be labelled: "pool", the pool of the data, whose labels an oracle must know; "train", the
            training texts beyond `start`, whose labels are hidden until they are asked for, for any labelled data.
        harmful_share: share of harmful texts among those that can be labelled, if harm is rarer in practice than in the
            data; harmful texts are left out at random. None: all are kept.
        start: number of labelled texts at the start, drawn from the training texts; None: all.
        band_share: share of validation texts in the band of round 0.
        synthesis: settings for "boundary"; `selection.n` is replaced by `per_round`.
        l2: strength of the L2 regularisation if the encoder is frozen and the head is a logistic regression on
            standardised features; larger is stronger.
        balanced: whether all classes have equal weight in that regression, however rare they are.
        mix: how old and new labels are combined.
    """

    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    rounds: int = 5
    per_round: int = 100
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    strategies: Sequence[str] = ("boundary", "uncertainty", "random")
    pool: Literal["pool", "train"] = "pool"
    harmful_share: float | None = None
    start: int | None = None
    band_share: float = 0.1
    l2: float = 10.0
    balanced: bool = False
    mix: MixSettings = field(default_factory=MixSettings)

    def __post_init__(self) -> None:
        unknown = set(self.strategies) - {"boundary", "uncertainty", "random"} or {self.pool} - {"pool", "train"}
        if unknown or min(self.rounds, self.per_round, self.start or 1, len(self.seeds)) < 1:
            raise ConfigError(
                "simulation: expected strategies of boundary, uncertainty, random, pool or train as "
                f"the pool, and at least one round, label, start text and seed, got {self}"
            )
        if self.harmful_share is not None and not 0 < self.harmful_share < 1:
            raise ConfigError(f"simulation.harmful_share: expected a share in (0, 1) or null, got {self.harmful_share}")
        if self.pool == "train" and self.start is None:
            raise ConfigError("simulation.pool=train: expected simulation.start, the training texts known at the start")


@dataclass
class Parts:
    """All objects that a simulation needs.

    Attributes:
        data: the texts.
        oracle: true labels of the pool; not used with `pool="train"`.
        fit: trains the classifier of a round.
        density: creates an unfitted density from (C, d).
        sampler: draws virtual outliers for "boundary".
        folder: folder for ledgers and batches.
        settings: see `SimulationSettings`.
    """

    data: TextData
    oracle: Oracle
    fit: Fit
    density: Callable[[int, int], GaussianDensity]
    sampler: OutlierSampler
    folder: Path
    settings: SimulationSettings
