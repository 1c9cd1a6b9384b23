"""`precision` of a training, decided before any work and kept with the run, and of scoring a pool."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vos.cli.wiring import synthesis_settings
from vos.generation.language_model import AUTO as AUTO_DTYPE
from vos.generation.language_model import settled_dtype
from vos.mining.acquisition import TargetAcquisition
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier
from vos.models.precision import AUTO, MIXED, settled

FAST_FROM = 3
"""Fast scores pay where a pool is so many times what is kept of it, and scored again."""

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


def scores_fast(config: DictConfig, n_pool: int) -> bool:
    """Whether a pool of this size is scored in bfloat16.

    `acquisition=targets` keeps too little of the pool to mend what rounding moves; it scores in float32.
    """
    acquisition = synthesis_settings(config).acquisition
    small = n_pool < FAST_FROM * int(getattr(acquisition, "supply", 0))
    if small or isinstance(acquisition, TargetAcquisition):
        return False
    accelerator = "cpu" if str(config.device).startswith("cpu") else "gpu"
    return settled(str(config.precision), accelerator, Path(config.paths.cache)) == MIXED


@contextmanager
def fast_featurizer(
    config: DictConfig, classifier: TextClassifier, n_pool: int
) -> Iterator[ClassifierFeaturizer | None]:
    """What scores a large pool in bfloat16, with a cache of its own; None where that gains nothing."""
    if not scores_fast(config, n_pool):
        yield None
        return
    logger.info("precision=%s: the pool is scored in bfloat16, and what decides again in float32", MIXED)
    fingerprint = f"{classifier.encoder_fingerprint()}-bfloat16"
    with FeatureCache(Path(config.paths.cache) / "features", fingerprint, classifier.n_features) as cache:
        yield ClassifierFeaturizer(classifier, cache, device=str(config.device), bfloat16=True)
