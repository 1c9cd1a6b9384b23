"""Settings of the optimizer and of the regulariser."""

from __future__ import annotations

from dataclasses import dataclass

from vos.errors import ConfigError


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW with a linear warm-up and a linear decay to zero.

    Attributes:
        lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the head and of the regulariser's own parameters.
        weight_decay: decoupled decay, on matrices only (not on biases, norms and energy weights).
        warmup_share: share of all steps spent warming up, in [0, 1].
    """

    lr: float = 0.0001
    head_lr: float = 0.003
    weight_decay: float = 0.01
    warmup_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.warmup_share <= 1.0:
            raise ConfigError(f"optimizer.warmup_share: expected a number in [0, 1], got {self.warmup_share}")


@dataclass(frozen=True)
class RegularizerSettings:
    """When and how strongly the regulariser acts.

    Attributes:
        weight: factor of the regulariser beside the cross-entropy.
        start_epoch: first epoch of this fit in which it acts; the steps before fill the feature memory.
        outliers_per_class: virtual outliers drawn a step for every ready class.
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
