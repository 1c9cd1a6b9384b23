"""Texts of no class, from a configuration to the batches of a training run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vos.data import OutlierBatches, TextData
from vos.errors import ConfigError
from vos.models import ClassifierFeaturizer, TextClassifier
from vos.pipeline import RunDirectory, outlier_texts

logger = logging.getLogger(__name__)


def outlier_batches(
    config: DictConfig,
    data: TextData,
    run: RunDirectory,
    make_featurizer: Callable[[TextClassifier], ClassifierFeaturizer],
    classifier: TextClassifier,
    new_classifier: Callable[[], TextClassifier],
) -> OutlierBatches | None:
    """Batches of the group `outlier_texts`, or None without it.

    Args:
        config: of the run.
        data: its texts.
        run: keeps the texts.
        make_featurizer: over a classifier.
        classifier: the one that is trained; when its encoder is frozen, batches carry its features.
        new_classifier: the classifier before any training.

    Raises:
        ConfigError: no loss is there to act on them.
    """
    if not OmegaConf.select(config, "outlier_texts"):
        return None
    if not config.loss.module:
        raise ConfigError("outlier_texts: expected a loss that acts on them, got loss=none; use loss=extra_class")
    with Progress(
        TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(),
        disable=not config.callbacks.progress,
    ) as bars:  # fmt: skip
        bar = bars.add_task("texts of no class", total=OmegaConf.select(config, "outlier_texts.writing.n"))
        found = outlier_texts(
            instantiate(config.outlier_texts),
            data.train,
            lambda: make_featurizer(new_classifier()),
            run.outlier_texts,
            config.seed,
            lambda n: bars.update(bar, completed=n),
        )
    texts = [each.text for each in found]
    return OutlierBatches(
        texts,
        classifier.tokenizer,
        classifier.max_length,
        config.outlier_texts.batch_size,
        make_featurizer(classifier).featurize(texts).features if classifier.encoder_is_frozen else None,
    )
