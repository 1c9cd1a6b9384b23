"""Builds the parts of a training run from the groups of its configuration, one function per part."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from transformers import PreTrainedModel

from vos.cli.compose import in_sweep
from vos.cli.exposure import outlier_batches
from vos.cli.processes import is_first
from vos.cli.warm_start import model_changes, starts_warm
from vos.cli.wiring import build_sampler, completed
from vos.data import TextData, TextDataModule
from vos.density import FeatureBank, FeatureQueue
from vos.errors import ConfigError
from vos.models import TextClassifier, load_classifier
from vos.storage.json_files import read_json
from vos.storage.run_directory import RunDirectory
from vos.training.console_reporter import ConsoleReporter
from vos.training.featurizers import Featurizers
from vos.training.job import RunSettings, TrainingJob
from vos.training.measure import training_features
from vos.training.module import ClassifierModule
from vos.training.output_labels import label_by_output
from vos.training.reporters import CsvReporter, Reporter, WandbReporter
from vos.training.round_cache import RoundCache
from vos.training.settings import StepSettings

logger = logging.getLogger(__name__)

ROUND_0_DEPENDS_ON = ["model", "trainer", "optimizer", "schedule", "loader", "seed"]
"""Settings that decide the weights at the end of round 0, besides the data and what `build_cache` adds."""


def build_job(config: DictConfig, data: TextData, run: RunDirectory) -> TrainingJob:
    """Every part of a training run."""
    settings = build_settings(config)
    classifier = build_classifier(config, data)
    featurizers = build_featurizers(config, data, classifier)
    earlier = None if config.run is None else RunDirectory(config.run)
    data = label_by_output(data, featurizers.current(shared=True), run, earlier)
    return TrainingJob(
        module=build_module(config, data, run, featurizers, settings.plain_round is not None),
        data=data,
        datamodule=build_datamodule(config, data, featurizers),
        featurizers=featurizers,
        run=run,
        settings=settings,
        trainer=instantiate(config.trainer.lightning),
        reporters=build_reporters(config, run),
        cache=build_cache(config, data, classifier),
    )


def build_settings(config: DictConfig) -> RunSettings:
    """Build the settings of the run; the band is taken from the run that this one continues, if any."""
    band = None
    if config.run is not None:
        RunDirectory(config.run).open_finished()
        band = read_json(RunDirectory(config.run).metrics_path)["final"]["boundary/band"]
    return RunSettings(
        fit=instantiate(config.callbacks),
        refine=instantiate(config.refine),
        seed=config.seed,
        plain_round=_plain_round(config),
        band=band,
    )


def _plain_round(config: DictConfig) -> int | None:
    """See `RunSettings`."""
    if not starts_warm(config):
        return 0
    return 1 if OmegaConf.select(config, "labels") else None


def build_classifier(config: DictConfig, data: TextData) -> TextClassifier:
    """A new classifier, or that of the run that this one continues."""
    if config.run is not None:
        logger.info("run=%s: %s start", config.run, "warm" if config.warm_start else "cold")
    if not starts_warm(config):
        return new_classifier(config, data)
    classifier = load_classifier(RunDirectory(config.run).model, **model_changes(config))
    if classifier.data_classes != data.label_names:
        raise ConfigError(f"run={config.run} knows the classes {classifier.data_classes}, the data {data.label_names}")
    classifier.set_harmful(data.harmful)
    if config.model.freeze:
        classifier.freeze_encoder()
    return classifier


def new_classifier(config: DictConfig, data: TextData) -> TextClassifier:
    """The classifier of the group `model`, before any training."""
    built: TextClassifier = instantiate(config.model, label_names=data.label_names, harmful=data.harmful)
    return built


def build_featurizers(config: DictConfig, data: TextData, classifier: TextClassifier) -> Featurizers:
    """Featurizers of the classifier, with the cache that all runs share."""
    cache = Path(config.paths.cache) / "features"
    return Featurizers(classifier, partial(new_classifier, config, data), cache, device_of(config))


def device_of(config: DictConfig) -> str:
    """The device on which features are computed outside of training."""
    wants_gpu = config.trainer.lightning.accelerator in ("gpu", "cuda", "auto")
    return "cuda" if wants_gpu and torch.cuda.is_available() else "cpu"


def build_memory(config: DictConfig, data: TextData, classifier: TextClassifier) -> FeatureBank | FeatureQueue:
    """The buffer that the density is fitted to: the latest features of all training texts, or of some per class."""
    if config.density.memory == "all":
        return FeatureBank(len(data.train), classifier.n_features)
    if config.density.memory == "queue":
        return FeatureQueue(classifier.n_classes, classifier.n_features, config.density.capacity)
    raise ConfigError(f"density.memory: expected 'all' or 'queue', got {config.density.memory!r}")


def build_module(
    config: DictConfig, data: TextData, run: RunDirectory, featurizers: Featurizers, trains_plainly: bool
) -> ClassifierModule:
    """The training step: model, density, memory, sampler and regulariser."""
    classifier = featurizers.classifier
    sizes = {"n_classes": classifier.n_classes, "n_features": classifier.n_features}
    memory = build_memory(config, data, classifier)
    return ClassifierModule(
        classifier,
        completed(instantiate(config.density.model), **sizes),
        memory,
        build_sampler(config.outliers, data.harmful, memory.contents),
        completed(instantiate(config.loss.module), **sizes),
        StepSettings(
            instantiate(config.optimizer),
            instantiate(config.loss.settings),
            instantiate(config.schedule),
            config.loss.label_smoothing,
            config.seed,
        ),
        outlier_batches(config, data, run, featurizers.current(), featurizers.initial, trains_plainly),
    )


def build_datamodule(config: DictConfig, data: TextData, featurizers: Featurizers) -> TextDataModule:
    """Batches of texts, or of the features of a frozen encoder."""
    classifier = featurizers.classifier
    features = None
    if classifier.encoder_is_frozen:
        frozen = featurizers.current()
        splits = {"train": data.train, "val": data.val}
        features = {name: training_features(frozen, examples)[0] for name, examples in splits.items() if examples}
    return TextDataModule(
        data,
        classifier.tokenizer,
        batch_size=config.loader.batch_size,
        max_length=classifier.max_length,
        seed=config.seed,
        num_workers=config.loader.num_workers,
        features=features,
    )


def build_cache(config: DictConfig, data: TextData, classifier: TextClassifier) -> RoundCache | None:
    """The cache of finished round 0 states; None if round 0 depends on the outliers, or trains nothing.

    The key includes the content of the model's folder, as a name may come to mean other weights.

    Args:
        config: settings of the run.
        data: the texts.
        classifier: the classifier before any training.
    """
    epochs = config.callbacks.max_epochs
    if starts_warm(config) or epochs == 0 or (config.loss.module and config.loss.settings.start_epoch < epochs):
        return None
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    key = {
        "settings": {name: value for name, value in resolved.items() if name in ROUND_0_DEPENDS_ON},
        "data": data.fingerprint(),
        "weights": classifier.fingerprint(),
        "architecture": [
            part.config.to_json_string() for part in classifier.children() if isinstance(part, PreTrainedModel)
        ],
        "monitor": config.refine.monitor,
        "epochs": epochs,
        "patience": config.callbacks.patience,
        "label_smoothing": config.loss.label_smoothing,
        "device": device_of(config),
    }
    return RoundCache(Path(config.paths.cache) / "round-0", key, float(config.paths.cache_gib))


def build_reporters(config: DictConfig, run: RunDirectory) -> list[Reporter]:
    """The console reporter, and those of the group `logger`; of several training processes only the first has any."""
    if not is_first():
        return []
    reporters: list[Reporter] = [ConsoleReporter(with_table=not in_sweep())]
    if config.logger.csv:
        reporters.append(CsvReporter(run.path))
    if config.logger.wandb is not None:
        plain: Any = OmegaConf.to_container(config, resolve=True)
        reporters.append(WandbReporter(run.path, config=plain, **plain["logger"]["wandb"]))
    return reporters
