"""How a large pool is scored: with which runtime, in which precision, in how many threads."""

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
"""Fast scores pay where a pool is so many times what is kept of it, and scored again."""

MOST_WORKERS = 16
"""Each holds what the encoder computes of a batch, some 100 MB with 22 M parameters."""

TORCH, OPENVINO = "torch", "openvino"

logger = logging.getLogger(__name__)


def check_runtime(config: DictConfig) -> None:
    """Refuse a runtime that cannot score, before any work.

    Raises:
        ConfigError: its package is not installed, or it does not run on the device.
    """
    runtime, device = str(config.runtime), str(config.device)
    if runtime == OPENVINO:
        if device != "cpu":
            raise ConfigError(f"runtime={OPENVINO}: expected device=cpu, got device={device}; use runtime={TORCH}")
        import_openvino()


def with_scoring(config: DictConfig) -> DictConfig:
    """The configuration with a precision of scoring that is the same in every process that scores."""
    if str(config.precision) != AUTO:
        return config
    accelerator = "cpu" if str(config.device).startswith("cpu") else "gpu"
    config = config.copy()
    OmegaConf.update(config, "precision", settled(AUTO, accelerator, Path(config.paths.cache)))
    return config


def n_workers(config: DictConfig) -> int:
    """Batches that are encoded at a time: as many as torch would use threads, which OMP_NUM_THREADS sets."""
    return min(torch.get_num_threads(), MOST_WORKERS) if str(config.device) == "cpu" else 1


def scores_fast(config: DictConfig, n_pool: int) -> bool:
    """Whether a pool of this size is scored otherwise than by torch in float32.

    `acquisition=targets` keeps too little of the pool to mend what rounding moves; it scores in float32.
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
    """What computes fast scores: the name of their cache, in the identity of shards and in the report of a batch."""
    rounding = "bfloat16" if str(config.precision) == MIXED else "float32"
    return rounding if str(config.runtime) == TORCH else f"{config.runtime}-{rounding}"


@contextmanager
def fast_featurizer(
    config: DictConfig, classifier: TextClassifier, n_pool: int
) -> Iterator[ClassifierFeaturizer | None]:
    """What scores a large pool fast, with a cache of its own; None where that gains nothing.

    Raises:
        ModelError: the runtime cannot take the encoder.
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
    """What computes fast scores, as the configuration says; `workers` as of `ClassifierFeaturizer`.

    Raises:
        ModelError: see `OpenVinoEncoder`.
    """
    bfloat16, device = str(config.precision) == MIXED, str(config.device)
    if str(config.runtime) == TORCH:
        return ClassifierFeaturizer(classifier, cache, device=device, bfloat16=bfloat16, n_workers=workers)
    encode = OpenVinoEncoder(classifier, bfloat16, workers)
    return ClassifierFeaturizer(classifier, cache, n_workers=workers, encode=encode)
