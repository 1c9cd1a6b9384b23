"""Builds the batches of auxiliary outlier texts of a training run from its configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vos.console import console, is_plain
from vos.data import EmbeddedData, TextData
from vos.errors import ConfigError
from vos.exposure.batches import OutlierBatches
from vos.exposure.gather import PACKAGED, gather_outlier_texts
from vos.models import ClassifierFeaturizer
from vos.models.truncation import warn_of_truncation
from vos.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)


def outlier_batches(
    config: DictConfig,
    data: TextData,
    run: RunDirectory,
    featurizer: ClassifierFeaturizer,
    untrained: Callable[[], ClassifierFeaturizer],
    trains_plainly: bool,
) -> OutlierBatches | None:
    """Build the batches of the group `exposure`; None without it.

    Args:
        config: configuration of the run.
        data: its texts.
        run: directory that stores the auxiliary outlier texts.
        featurizer: of the classifier in training; if its encoder is frozen, batches carry its features.
        untrained: returns a featurizer of the classifier before any training.
        trains_plainly: whether a round of plain training precedes the refining rounds.

    Raises:
        ConfigError: no loss would ever use them.
    """
    if not OmegaConf.select(config, "exposure"):
        return None
    _check_that_they_act(config, trains_plainly)
    _advise(config)
    source = instantiate(config.exposure)
    wanted = OmegaConf.select(config, "exposure.writing.n")
    with Progress(
        TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console(), disable=not config.callbacks.progress or is_plain() or run.outlier_texts.exists(),
    ) as bars:  # fmt: skip
        bar = bars.add_task("auxiliary outlier texts", total=wanted)
        found = gather_outlier_texts(
            source, data, untrained, run.outlier_texts, config.seed, lambda n: bars.update(bar, completed=n)
        )
    texts, classifier = [each.text for each in found], featurizer.classifier
    warn_of_truncation(classifier, "auxiliary outlier texts", texts)
    features = featurizer.featurize(texts).features if classifier.encoder_is_frozen else None
    return OutlierBatches(texts, classifier.tokenizer, classifier.max_length, source.batch_size, features)


def _check_that_they_act(config: DictConfig, trains_plainly: bool) -> None:
    """Refuse texts that no training step would use, because writing them takes minutes."""
    loss = config.loss
    if not loss.module:
        raise ConfigError("exposure: expected a loss that acts on them, got loss=none; use loss=energy")
    if loss.settings.weight == 0 or loss.module.get("outlier_weight") == 0:
        raise ConfigError("exposure: expected a loss that acts on them, got one whose weight of outliers is 0")
    epochs = config.trainer.max_epochs
    last = epochs + config.refine.rounds * config.refine.epochs if epochs else 0
    first = max(loss.settings.start_epoch, 0 if trains_plainly else epochs)
    if first >= last:
        raise ConfigError(
            f"exposure: the loss would act from epoch {first} on, and training ends at {last}; set refine.rounds "
            "of at least 1" + (", or loss.settings.start_epoch=0" if trains_plainly else "")
        )


def _advise(config: DictConfig) -> None:
    """Advise to use texts written for this run's data, which work better than the packaged ones."""
    if config.exposure.get("path") == PACKAGED and not str(config.data._target_).endswith(EmbeddedData.__name__):
        logger.warning(
            "exposure=packaged: these texts were written after the everyday corpus; exposure=written has them written "
            "after your own (make generate)"
        )
