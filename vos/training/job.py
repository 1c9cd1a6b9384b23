"""What a training run is built from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytorch_lightning as pl

from vos.data import TextData
from vos.errors import ConfigError
from vos.metrics.monitor import MONITORS
from vos.storage.run_directory import RunDirectory
from vos.training.featurizers import Featurizers
from vos.training.module import ClassifierModule
from vos.training.reporters import Reporter
from vos.training.round_cache import RoundCache

KEEP = ("best", "last")
"""Rounds that a run may end with."""


@dataclass(frozen=True)
class FitSettings:
    """Of every fit.

    Attributes:
        max_epochs: of round 0; 0 studies the model as it is and skips every round after.
        patience: epochs without improvement before a fit stops; negative never stops.
        progress: whether to draw progress bars.
        keep_checkpoints: whether the states of the last and of the kept round stay when the run has finished.
    """

    max_epochs: int = 4
    patience: int = 2
    progress: bool = True
    keep_checkpoints: bool = False

    def __post_init__(self) -> None:
        if self.max_epochs < 0:
            raise ConfigError(f"trainer.max_epochs: expected at least 0, got {self.max_epochs}")


@dataclass(frozen=True)
class RefineSettings:
    """The retraining loop.

    Attributes:
        rounds: rounds after round 0 at most (the budget).
        epochs: epochs of each such round.
        lr_factor: learning rates of these rounds relative to round 0.
        tolerance: the loop ends when the boundary shift of a round is at most this. The shift is the mean absolute
            change of the probabilities of the validation texts in round 0's band since the round before.
        band_share: share of validation texts in the band of round 0.
        n_outliers: draws for each class to measure outlier_energy_auroc and to draw the map.
        monitor: the one metric of validation texts that early stopping, the checkpoint of a fit and the choice of the
            round go by, lower is better: boundary/val/brier, boundary/val/error or boundary/val/ece.
        keep: the round that the run ends with: best (by `monitor`, round 0 included, of equal ones the earlier) or
            last.

    Raises:
        ConfigError: a number outside its range, or a name that is none of these.
    """

    rounds: int = 3
    epochs: int = 1
    lr_factor: float = 0.3
    tolerance: float = 0.02
    band_share: float = 0.1
    n_outliers: int = 100
    monitor: str = "boundary/val/brier"
    keep: str = "best"

    def __post_init__(self) -> None:
        for name, value, known in (("monitor", self.monitor, MONITORS), ("keep", self.keep, KEEP)):
            if value not in known:
                raise ConfigError(f"refine.{name}: expected one of {', '.join(known)}, got {value!r}")
        if self.rounds < 0 or min(self.epochs, self.n_outliers) < 1 or self.lr_factor <= 0:
            raise ConfigError(
                f"refine: expected rounds >= 0, epochs >= 1, n_outliers >= 1 and lr_factor > 0, got {self}"
            )
        if not 0 < self.band_share <= 1:
            raise ConfigError(f"refine: expected band_share in (0, 1], got {self.band_share}")


@dataclass(frozen=True)
class RunSettings:
    """What a run does, beside how its steps learn.

    Attributes:
        fit: of every fit.
        refine: of the loop.
        seed: of everything.
        plain_round: the round that trains for `fit.max_epochs` at the full rates; those after it refine. 0 for a new
            classifier. One that comes trained is measured as round 0: 1 trains it on, on new labels, and None refines
            it only.
        band: half-width of the band of an earlier run, so that its rounds and these compare; None sets it in round 0.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    seed: int = 0
    plain_round: int | None = 0
    band: float | None = None


@dataclass(frozen=True)
class TrainingJob:
    """The parts of a training run.

    Attributes:
        module: model, density, memory, sampler and regulariser; its sampler draws for the measurements too.
        data: the texts.
        datamodule: their batches.
        featurizers: over the module's classifier.
        run: where everything goes.
        settings: see `RunSettings`.
        trainer: `pytorch_lightning.Trainer` with device, precision and strategy bound; called for every fit.
        reporters: receive every round.
        cache: finished round 0 states by key, or None.
    """

    module: ClassifierModule
    data: TextData
    datamodule: pl.LightningDataModule
    featurizers: Featurizers
    run: RunDirectory
    settings: RunSettings
    trainer: Callable[..., pl.Trainer] = pl.Trainer
    reporters: Sequence[Reporter] = ()
    cache: RoundCache | None = None
