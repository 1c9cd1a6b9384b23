"""Resolves the `precision` of a training and the dtype of a local language model before any work, and stores them."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vos.generation.language_model import AUTO as AUTO_DTYPE
from vos.generation.language_model import settled_dtype
from vos.models.precision import AUTO, settled


def with_precision(config: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """Return the configuration with a precision that Lightning knows, and the overrides that reproduce it.

    The choice is stored with the overrides of the run, so that resuming or continuing the run on another machine uses
    the same precision.
    """
    lightning = config.trainer.lightning
    if lightning.precision != AUTO:
        return config, overrides
    chosen = settled(AUTO, str(lightning.accelerator), Path(config.paths.cache))
    config = config.copy()
    OmegaConf.update(config, "precision", chosen)
    return config, [*(each for each in overrides if each != f"precision={AUTO}"), f"precision={chosen}"]


def with_dtype(config: DictConfig) -> DictConfig:
    """Return the configuration with a fixed dtype of the local language model.

    It is stored with the batch, so that texts can be reproduced on a machine that would choose another dtype.
    """
    writes = OmegaConf.select(config, "candidates.generation") is not None
    if not writes or OmegaConf.select(config, "language_model.dtype") != AUTO_DTYPE:
        return config
    config, model = config.copy(), config.language_model
    OmegaConf.update(config, "language_model.dtype", settled_dtype(AUTO_DTYPE, str(model.device), Path(model.cache)))
    return config
