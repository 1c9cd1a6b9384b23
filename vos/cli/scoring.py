"""How a large pool is scored: the runtime, the precision and the number of threads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from vos.cli.wiring import synthesis_settings
from vos.errors import ConfigError
from vos.mining.acquisition import TargetAcquisition
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier
from vos.models.openvino_encoder import OpenVinoEncoder, import_openvino
from vos.models.precision import AUTO, MIXED, settled

FAST_FROM = 3
"""Fast scoring is worthwhile if the pool is this many times the part that is kept and scored again exactly."""

MOST_WORKERS = 16
"""Largest number of workers; each holds the activations of a batch, some 100 MB with 22 M parameters."""

TORCH, OPENVINO = "torch", "openvino"

logger = logging.getLogger(__name__)


def check_runtime(config: DictConfig) -> None:
    """Check before any work that the runtime can score.

    Raises:
        ConfigError: its package is not installed, or it does not run on the device.
    """
    runtime, device = str(config.runtime), str(config.device)
    if runtime == OPENVINO:
        if device != "cpu":
            raise ConfigError(f"runtime={OPENVINO}: expected device=cpu, got device={device}; use runtime={TORCH}")
        import_openvino()


def with_scoring(config: DictConfig) -> DictConfig:
    """Return the configuration with a fixed scoring precision, the same in every scoring process."""
    if str(config.precision) != AUTO:
        return config
    accelerator = "cpu" if str(config.device).startswith("cpu") else "gpu"
    config = config.copy()
    OmegaConf.update(config, "precision", settled(AUTO, accelerator, Path(config.paths.cache)))
    return config


def n_workers(config: DictConfig) -> int:
    """Number of batches encoded in parallel: torch's number of threads, which OMP_NUM_THREADS sets."""
    return min(torch.get_num_threads(), MOST_WORKERS) if str(config.device) == "cpu" else 1


def scores_fast(config: DictConfig, n_pool: int) -> bool:
    """Whether a pool of this size is scored faster than with torch in float32.

    `acquisition=targets` keeps too little of the pool to correct rounding errors, so it scores in float32.
    """
    acquisition = synthesis_settings(config).acquisition
    runtime, precision = str(config.runtime), str(config.precision)
    small = n_pool < FAST_FROM * int(getattr(acquisition, "supply", 0))
    if small or isinstance(acquisition, TargetAcquisition):
        if runtime != TORCH:
            why = f"the pool is small, {n_pool} texts" if small else "acquisition=targets scores nothing again"
            logger.info("runtime=%s is not used: %s; torch scores in float32", runtime, why)
        return False
    return runtime != TORCH or precision == MIXED


def arithmetic(config: DictConfig) -> str:
    """Name of the fast arithmetic, used for its cache, in the identity of shards and in the report of a batch."""
    rounding = "bfloat16" if str(config.precision) == MIXED else "float32"
    return rounding if str(config.runtime) == TORCH else f"{config.runtime}-{rounding}"


@contextmanager
def fast_featurizer(
    config: DictConfig, classifier: TextClassifier, n_pool: int
) -> Iterator[ClassifierFeaturizer | None]:
    """The featurizer for fast scoring of a large pool, with its own cache; None if it is not worthwhile.

    Raises:
        ModelError: the runtime cannot run the encoder.
    """
    if not scores_fast(config, n_pool):
        yield None
        return
    name = arithmetic(config)
    fingerprint = f"{classifier.encoder_fingerprint()}-{name}"
    with FeatureCache(Path(config.paths.cache) / "features", fingerprint, classifier.n_features) as cache:
        workers = n_workers(config)
        made = fast_scores(config, classifier, workers, cache)
        logger.info(
            "the pool is scored in %s, batches at a time: %d (OMP_NUM_THREADS); what decides again in float32 by torch",
            name,
            workers,
        )
        yield made


def fast_scores(
    config: DictConfig, classifier: TextClassifier, workers: int, cache: FeatureCache | None = None
) -> ClassifierFeaturizer:
    """The configured featurizer for fast scoring; `workers`: see `n_workers` of `ClassifierFeaturizer`.

    Raises:
        ModelError: see `OpenVinoEncoder`.
    """
    bfloat16, device = str(config.precision) == MIXED, str(config.device)
    if str(config.runtime) == TORCH:
        return ClassifierFeaturizer(classifier, cache, device=device, bfloat16=bfloat16, n_workers=workers)
    encode = OpenVinoEncoder(classifier, bfloat16, workers)
    return ClassifierFeaturizer(classifier, cache, n_workers=workers, encode=encode)
