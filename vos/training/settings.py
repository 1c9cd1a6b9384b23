"""Settings of a training step: the optimizer, its schedule, and the regulariser."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vos.errors import ConfigError


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW with one peak learning rate for the encoder and one for the head.

    Attributes:
        lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the head and of the regulariser's own parameters.
        weight_decay: decoupled decay, on matrices only (not on biases, norms and energy weights).

    Raises:
        ConfigError: a rate that is not positive, or a decay below 0.
    """

    lr: float = 0.0001
    head_lr: float = 0.003
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf or not 0 < self.head_lr < math.inf or not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"optimizer: expected lr > 0, head_lr > 0 and weight_decay >= 0, got {self}")


@dataclass(frozen=True)
class ScheduleSettings:
    """The learning-rate schedule of a fit: linear warm-up to the peak, then linear decay to zero.

    Attributes:
        warmup_share: share of all steps used for warm-up, in [0, 1].
        decay: whether the rates decay after the warm-up; False keeps them at their peak.

    Raises:
        ConfigError: `warmup_share` outside [0, 1].
    """

    warmup_share: float = 0.1
    decay: bool = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.warmup_share <= 1.0:
            raise ConfigError(f"schedule.warmup_share: expected a number in [0, 1], got {self.warmup_share}")


@dataclass(frozen=True)
class RegularizerSettings:
    """When and how strongly the regulariser acts.

    Attributes:
        weight: weight of the regulariser relative to the cross-entropy.
        start_epoch: first epoch of this fit in which it acts; earlier steps fill the buffer of features.
        outliers_per_class: virtual outliers drawn per step for every ready class.
        refit_every: optimizer steps between two fits of the density.
    """

    weight: float = 0.1
    start_epoch: int = 0
    outliers_per_class: int = 32
    refit_every: int = 10

    def __post_init__(self) -> None:
        if self.weight < 0 or self.start_epoch < 0 or self.outliers_per_class < 1 or self.refit_every < 1:
            raise ConfigError(
                "loss: expected weight >= 0, start_epoch >= 0, outliers_per_class >= 1 and refit_every >= 1, "
                f"got {self}"
            )


@dataclass(frozen=True)
class StepSettings:
    """Settings of the training steps of one fit.

    Attributes:
        optimizer: see `OptimizerSettings`.
        regularization: see `RegularizerSettings`.
        schedule: see `ScheduleSettings`.
        label_smoothing: label smoothing of the cross-entropy, in [0, 1).
        seed: seed of dropout and of the draws.

    Raises:
        ConfigError: `label_smoothing` outside [0, 1).
    """

    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    regularization: RegularizerSettings = field(default_factory=RegularizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    label_smoothing: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(f"loss.label_smoothing: expected a number in [0, 1), got {self.label_smoothing}")
