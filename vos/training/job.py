"""The parts and settings of a training run."""

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
"""Ways to choose the round that a run keeps."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of every fit.

    Attributes:
        max_epochs: epochs of round 0; 0: measure the model without training it, and skip all later rounds.
        patience: epochs without improvement before a fit stops; negative: never.
        progress: whether to draw progress bars.
        keep_checkpoints: whether to keep the states of the last and of the kept round when the run has finished.
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
    """Settings of the retraining loop.

    Attributes:
        rounds: largest number of rounds after round 0.
        epochs: epochs of each such round.
        lr_factor: learning rates of these rounds relative to round 0.
        tolerance: the loop ends when the boundary shift of a round is at most this. The shift is the mean absolute
            change, since the previous round, of the probabilities of the validation texts in round 0's band.
        band_share: share of validation texts in the band of round 0.
        n_outliers: draws per class for outlier_energy_auroc and for the boundary map.
        monitor: the validation metric for early stopping, for the checkpoint of a fit and for the choice of the round,
            lower is better: boundary/val/brier, boundary/val/error or boundary/val/ece.
        keep: the round that the run keeps: best (by `monitor`; the earlier of equal ones) or last. Round 0 is a
            candidate too, unless it is the classifier of another run and there are new labels.

    Raises:
        ConfigError: a number out of range, or an unknown name.
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
    """Settings of a run, except those of its training steps.

    Attributes:
        fit: settings of every fit.
        refine: settings of the loop.
        seed: seed of all randomness.
        plain_round: the round that trains for `fit.max_epochs` at the full learning rates; later rounds refine. 0 for a
            new classifier. For a trained classifier, which is measured as round 0: 1 trains it further on new labels,
            None only refines it.
        band: half-width of the band of an earlier run, so that the rounds of both are comparable; None: set in round 0.
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
        module: model, density, memory, sampler and regulariser; its sampler is also used for measurements.
        data: the texts.
        datamodule: their batches.
        featurizers: featurizers of the module's classifier.
        run: output directory.
        settings: see `RunSettings`.
        trainer: `pytorch_lightning.Trainer` with device, precision and strategy bound; called for every fit.
        reporters: objects that receive every round.
        cache: cache of finished round 0 states, or None.
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
