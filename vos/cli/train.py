"""Build a training job from a configuration, run it, and keep what it gave."""

from __future__ import annotations

import copy
import json
import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from transformers.utils import logging as transformers_logging

from vos.cli.exposure import outlier_batches
from vos.cli.labels import import_labels, merge_labels, record_round
from vos.cli.tables import facts_table
from vos.cli.wiring import build_sampler, completed
from vos.data import TextData, TextDataModule
from vos.density import FeatureBank, FeatureQueue, GaussianDensity
from vos.errors import ConfigError
from vos.loop.next_round import NextRound, with_kept_train, write_train
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier, load_classifier
from vos.storage.environment import environment
from vos.storage.hashes import text_hash
from vos.storage.json_files import read_json
from vos.storage.run_directory import RunDirectory
from vos.training.job import FitSettings, TrainingJob
from vos.training.loop import refine, save_results
from vos.training.module import ClassifierModule
from vos.training.reporters import ConsoleReporter, CsvReporter, Reporter, WandbReporter
from vos.training.round_cache import RoundCache
from vos.types import Example

logger = logging.getLogger(__name__)

ABOUT_FILES = ("paths", "logger", "callbacks", "resume", "optimized_metric")
ABOUT_LABELS = ("labels", "ledger", "dry_run", "accept_rejected", "stop")
PRIVATE_KEYS = (*ABOUT_FILES, *ABOUT_LABELS)
"""Settings that change nothing that is computed; they stay out of a run's hash: a resumed run may change them."""


def run_training(config: DictConfig, overrides: Sequence[str], directory: Path) -> dict[str, float]:
    """Train, refine, measure and save under `directory`; returns the final metrics.

    A finished run of the same settings is not run again; an interrupted one goes on where it stood.
    """
    started = time.monotonic()
    quiet_libraries()
    run = RunDirectory(directory)
    data, new = _data(config, run)
    facts = {
        "seed": config.seed,
        "data_fingerprint": data.fingerprint(),
        "started_from": config.run,
        **environment(device_of(config)),
    }
    run.start(public_yaml(config), facts)
    if run.is_finished:
        logger.info("%s holds this run, finished: nothing to do", run.path)
        final: dict[str, float] = read_json(run.metrics_path)["final"]
        return final
    OmegaConf.save(OmegaConf.create(list(overrides)), run.path / "overrides.yaml")
    if new is not None:
        write_train(run.train, data.train)
    _list_skipped(data, run.path)
    job = build_job(config, data, run)
    try:
        result = refine(job)
        content = save_results(job, result)
    finally:
        for reporter in job.reporters:
            reporter.close()
    run.finish(time.monotonic() - started, {"model_hash": job.module.classifier.fingerprint()})
    _summary(run, content, data)
    if new is not None:
        record_round(config, run.path, new, content["final"])
    return {name: float(value) for name, value in content["final"].items()}


def _data(config: DictConfig, run: RunDirectory) -> tuple[TextData, NextRound | None]:
    """The run's texts; with `labels`, people's answers imported and mixed in.

    A run that is resumed keeps the training texts it began with, whatever has been answered since.
    """
    data: TextData = instantiate(config.data).load()
    if run.train.exists():
        return with_kept_train(data, run.train), None
    if not OmegaConf.select(config, "labels"):
        earlier = RunDirectory(config.run).train if config.run else run.train
        return with_kept_train(data, earlier), None
    report = import_labels(config, data.label_names)
    if config.dry_run:
        raise SystemExit(report.exit_code)
    new = merge_labels(config, data)
    return new.data, new


def public_yaml(config: DictConfig) -> str:
    """The resolved settings that decide what is computed, as YAML.

    Where the cache lies is not among them; settings below it name it CACHE.
    """
    config = copy.deepcopy(config)
    OmegaConf.update(config, "paths.cache", "CACHE", merge=False)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)  # noqa: S101 - a DictConfig gives a dict
    return OmegaConf.to_yaml({key: value for key, value in plain.items() if key not in PRIVATE_KEYS})


def device_of(config: DictConfig) -> str:
    """Where features are computed outside of training."""
    wants_gpu = config.trainer.lightning.accelerator in ("gpu", "cuda", "auto")
    return "cuda" if wants_gpu and torch.cuda.is_available() else "cpu"


def build_job(config: DictConfig, data: TextData, run: RunDirectory) -> TrainingJob:
    """Every object of a training run."""
    classifier = _classifier(config, data)
    sizes = {"n_classes": classifier.n_classes, "n_features": classifier.n_features}
    density: GaussianDensity = completed(instantiate(config.density.model), **sizes)
    memory = _memory(config.density, data, classifier)
    sampler = build_sampler(config.outliers, memory.contents)
    make_loss = instantiate(config.loss.module)

    def make_featurizer(cached: bool, model: TextClassifier = classifier) -> ClassifierFeaturizer:
        cache = None
        if cached:
            folder = Path(config.paths.cache) / "features"
            cache = FeatureCache(folder, model.encoder_fingerprint(), model.n_features)
        return ClassifierFeaturizer(model, cache, device=device_of(config))

    def untrained() -> ClassifierFeaturizer:
        return make_featurizer(True, _new_classifier(config, data))

    featurizer = make_featurizer(classifier.encoder_is_frozen)
    trains_round_0 = config.run is None or not config.warm_start or bool(OmegaConf.select(config, "labels"))
    module = ClassifierModule(
        classifier,
        density,
        memory,
        sampler if make_loss else None,
        completed(make_loss, **sizes) if make_loss else None,
        instantiate(config.optimizer),
        instantiate(config.loss.settings),
        seed=config.seed,
        label_smoothing=config.loss.label_smoothing,
        outlier_texts=outlier_batches(config, data, run, featurizer, untrained, trains_round_0),
    )
    features = None
    if classifier.encoder_is_frozen:
        splits = {"train": data.train, "val": data.val}
        features = {name: _features(featurizer, examples) for name, examples in splits.items() if examples}
    return TrainingJob(
        module=module,
        data=data,
        datamodule=TextDataModule(
            data,
            classifier.tokenizer,
            batch_size=config.loader.batch_size,
            max_length=classifier.max_length,
            seed=config.seed,
            num_workers=config.loader.num_workers,
            features=features,
        ),
        make_featurizer=make_featurizer,
        measure_sampler=sampler,
        run=run,
        trainer_factory=instantiate(config.trainer.lightning),
        reporters=_reporters(config, run),
        fit=FitSettings(
            max_epochs=config.trainer.max_epochs,
            monitor=config.callbacks.monitor,
            patience=config.callbacks.patience,
            progress=config.callbacks.progress,
            keep_checkpoints=config.callbacks.keep_checkpoints,
        ),
        refine=instantiate(config.refine),
        seed=config.seed,
        train_round_0=trains_round_0,
        band=None if config.run is None else read_json(RunDirectory(config.run).metrics_path)["final"]["boundary/band"],
        cache=_round_cache(config, data),
        make_initial=untrained,
    )


def _new_classifier(config: DictConfig, data: TextData) -> TextClassifier:
    built: TextClassifier = instantiate(config.model, label_names=data.label_names, seed=config.seed)
    return built


def _classifier(config: DictConfig, data: TextData) -> TextClassifier:
    if config.run is not None:
        RunDirectory(config.run).open_finished()
        logger.info("run=%s: %s start", config.run, "warm" if config.warm_start else "cold")
    if config.run is None or not config.warm_start:
        return _new_classifier(config, data)
    classifier = load_classifier(RunDirectory(config.run).model)
    if classifier.label_names != data.label_names:
        raise ConfigError(f"run={config.run} knows the classes {classifier.label_names}, the data {data.label_names}")
    if config.model.freeze:
        classifier.freeze_encoder()
    return classifier


def _memory(config: DictConfig, data: TextData, classifier: TextClassifier) -> FeatureBank | FeatureQueue:
    if config.memory == "all":
        return FeatureBank(len(data.train), classifier.n_features)
    if config.memory == "queue":
        return FeatureQueue(classifier.n_classes, classifier.n_features, config.capacity)
    raise ConfigError(f"density.memory: expected 'all' or 'queue', got {config.memory!r}")


def _features(featurizer: ClassifierFeaturizer, examples: Sequence[Example]) -> torch.Tensor:
    return featurizer.featurize([example.text for example in examples]).features


def _round_cache(config: DictConfig, data: TextData) -> RoundCache | None:
    """None where round 0 depends on the outliers, or trains nothing."""
    epochs = config.trainer.max_epochs
    warm = config.run is not None and config.warm_start
    if warm or epochs == 0 or (config.loss.module and config.loss.settings.start_epoch < epochs):
        return None
    parts = ("model", "trainer", "optimizer", "loader", "seed")
    key: dict[str, Any] = {name: OmegaConf.to_container(config, resolve=True)[name] for name in parts}  # type: ignore[index, call-overload]
    key |= {
        "data": data.fingerprint(),
        "monitor": config.callbacks.monitor,
        "patience": config.callbacks.patience,
        "label_smoothing": config.loss.label_smoothing,
        "device": device_of(config),
    }
    return RoundCache(Path(config.paths.cache) / "round-0", key)


def _reporters(config: DictConfig, run: RunDirectory) -> list[Reporter]:
    reporters: list[Reporter] = [ConsoleReporter()]
    if config.logger.csv:
        reporters.append(CsvReporter(run.path))
    if config.logger.wandb is not None:
        plain: Any = OmegaConf.to_container(config, resolve=True)
        reporters.append(WandbReporter(run.path, config=plain, **plain["logger"]["wandb"]))
    return reporters


def _list_skipped(data: TextData, directory: Path) -> None:
    """Write `skipped.jsonl`, one line for each row that was left out, and say how many."""
    if data.skipped:
        path = directory / "skipped.jsonl"
        lines = [
            json.dumps({"source": row.source, "line": row.line, "id": row.id, "reason": row.reason}) + "\n"
            for row in data.skipped
        ]
        path.write_text("".join(lines), encoding="utf-8")
        logger.warning("%d rows were left out; each is listed in %s", len(lines), path)


def _summary(run: RunDirectory, content: dict[str, Any], data: TextData) -> None:
    manifest = run.manifest
    table = facts_table("Run finished")
    table.add_row("texts", f"{len(data.train)} train, {len(data.val)} val, {len(data.test)} test")
    table.add_row("stopped because", content["stopped_because"])
    table.add_row("time, peak memory", f"{manifest['wall_seconds']:.0f} s, {manifest['peak_memory_mib']} MiB")
    for path in (run.model, run.density, run.metrics_path, run.picture, run.manifest_path):
        table.add_row(path.name, str(path))
    table.add_row("next", f"python synthesize.py run={run.path} n=100")
    Console().print(table)


def run_hash(run: RunDirectory) -> str:
    """Hash of a run's settings and data, as it goes into records."""
    manifest = run.manifest
    return text_hash(f"{manifest['config_hash']} {manifest['data_fingerprint']} {manifest['model_hash']}")


def quiet_libraries() -> None:
    """Keep other libraries' chatter out of the console; their errors still come through."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*Experiment logs directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*module.s. in eval mode at the start of training.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
