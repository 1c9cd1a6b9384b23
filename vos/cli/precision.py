"""`precision` of a training, and the dtype of a local language model: decided before any work, and kept with it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vos.generation.language_model import AUTO as AUTO_DTYPE
from vos.generation.language_model import settled_dtype
from vos.models.precision import AUTO, settled


def with_precision(config: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """The configuration with a precision that Lightning knows, and the overrides that reproduce it.

    The decision stands among the overrides of the run, so that one that is resumed, and one that goes on from it, have
    the same, on whatever machine.
    """
    lightning = config.trainer.lightning
    if lightning.precision != AUTO:
        return config, overrides
    chosen = settled(AUTO, str(lightning.accelerator), Path(config.paths.cache))
    config = config.copy()
    OmegaConf.update(config, "precision", chosen)
    return config, [*(each for each in overrides if each != f"precision={AUTO}"), f"precision={chosen}"]


def with_dtype(config: DictConfig) -> DictConfig:
    """The configuration with a dtype of the local language model that is the same on every machine.

    It stands beside the batch, so that texts can be made again where another would be chosen.
    """
    writes = OmegaConf.select(config, "candidates.generation") is not None
    if not writes or OmegaConf.select(config, "language_model.dtype") != AUTO_DTYPE:
        return config
    config, model = config.copy(), config.language_model
    OmegaConf.update(config, "language_model.dtype", settled_dtype(AUTO_DTYPE, str(model.device), Path(model.cache)))
    return config
