"""Auxiliary outlier texts, from a configuration to the batches of a training run."""

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
    """Batches of the group `exposure`, or None without it.

    Args:
        config: of the run.
        data: its texts.
        run: keeps the auxiliary outlier texts.
        featurizer: over the classifier that is trained; when its encoder is frozen, batches carry its features.
        untrained: gives a featurizer over the classifier before any training.
        trains_plainly: whether a round of plain training comes before those that refine.

    Raises:
        ConfigError: no loss would ever act on them.
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
    """Writing costs minutes: texts that no step would use are refused before."""
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
    """Texts that are written after the run's own are better than those in the package."""
    if config.exposure.get("path") == PACKAGED and not str(config.data._target_).endswith(EmbeddedData.__name__):
        logger.warning(
            "exposure=packaged: these texts were written after the everyday corpus; exposure=written has them written "
            "after your own (make generate)"
        )
