"""Size of a simulation, and what it is made of."""

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
"""`text_uid` to class name; declared as an oracle in the ledger, never mistaken for a person."""

Row = dict[str, str | float]
"""`strategy`, `seed`, `round`, `labels` and test errors."""

Fit = Callable[[Sequence[Example], int, Featurizer | None], Featurizer]
"""Trains the classifier of a round on texts with a seed, and gives it frozen.

The last argument is the classifier of the round before, None at the start.
"""


@dataclass(frozen=True)
class SimulationSettings:
    """Size of a simulation.

    Attributes:
        rounds: of labelling.
        per_round: labels a round.
        seeds: each draws its own start and its own choices.
        strategies: of "boundary" (this product), "uncertainty" (smallest |margin|) and "random".
        pool: what can be asked: "pool", the pool of the data, whose labels an oracle must know; "train", the training
            texts beyond `start`, whose labels are hidden until they are asked for, so that any labelled data will do.
        harmful_share: share of the harmful classes in what can be asked, where harm is rarer in use than in the data;
            their texts are left out at random. None keeps all.
        start: labelled texts at the start, drawn from the training texts; None takes all of them.
        band_share: share of validation texts in the band of round 0.
        synthesis: for "boundary"; its `selection.n` is replaced by `per_round`.
        l2: strength of the L2 regularisation where the encoder is frozen and the head is a logistic regression on
            standardised features; larger is stronger.
        balanced: whether every class weighs the same in that regression, however rare.
        mix: how old and new labels are mixed.
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
    """Everything that a simulation needs, built.

    Attributes:
        data: texts.
        oracle: true labels of its pool; not used with `pool="train"`.
        fit: trains a round.
        density: makes an unfitted density from (C, d).
        sampler: draws virtual outliers for "boundary".
        folder: for ledgers and batches.
        settings: see `SimulationSettings`.
    """

    data: TextData
    oracle: Oracle
    fit: Fit
    density: Callable[[int, int], GaussianDensity]
    sampler: OutlierSampler
    folder: Path
    settings: SimulationSettings
