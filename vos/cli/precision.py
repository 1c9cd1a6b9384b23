"""`precision=auto` of a training, decided before any work and kept with the run."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vos.models.precision import AUTO, settled

logger = logging.getLogger(__name__)


def with_precision(config: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """The configuration with a precision that Lightning knows, and the overrides that reproduce it.

    The decision stands among the overrides of the run, so that one that is resumed, and one that goes on from it, have
    the same, on whatever machine.
    """
    lightning = config.trainer.lightning
    if lightning.precision != AUTO:
        return config, overrides
    chosen = settled(AUTO, str(lightning.accelerator), Path(config.paths.cache))
    logger.info("precision=%s: chosen for this machine", chosen)
    config = config.copy()
    OmegaConf.update(config, "precision", chosen)
    return config, [*(each for each in overrides if each != f"precision={AUTO}"), f"precision={chosen}"]
