"""Runs the training job that a configuration describes, and stores its results."""

from __future__ import annotations

import copy
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vos.cli.cache import open_cache
from vos.cli.compose import in_sweep
from vos.cli.endings import next_batch, what_changed
from vos.cli.first_lines import counts, tell_data, tell_machine
from vos.cli.labels import label_pictures, record_round, tell_round
from vos.cli.precision import with_precision
from vos.cli.processes import is_first
from vos.cli.quiet import quiet_libraries
from vos.cli.run_texts import keep_texts, load_texts
from vos.cli.saved_settings import plain_settings
from vos.cli.tables import duration, memory
from vos.cli.train_builders import build_job, device_of
from vos.cli.warm_start import starts_warm
from vos.console import print_facts, print_paths, say, short
from vos.data import TextData
from vos.storage.atomic import write_atomically
from vos.storage.environment import environment
from vos.storage.hashes import text_hash
from vos.storage.json_files import numbers, read_json, write_json_lines
from vos.storage.run_directory import RunDirectory
from vos.training.draw_rounds import BY_ROUND, RELIABILITY
from vos.training.loop import refine, remove_checkpoints, save_results

logger = logging.getLogger(__name__)

ABOUT_FILES = ("paths", "logger", "callbacks.progress", "callbacks.keep_checkpoints", "resume", "optimized_metric")
ABOUT_LABELS = ("labels", "ledger", "dry_run", "accept_rejected", "stop")
PRIVATE_KEYS = (*ABOUT_FILES, *ABOUT_LABELS)
"""Settings that do not affect the result; they are not part of a run's hash, so a resumed run may change them."""


def run_training(config: DictConfig, overrides: Sequence[str], directory: Path) -> dict[str, float]:
    """Train, refine, measure and save under `directory`; returns the final metrics.

    A finished run with the same settings is not run again; an interrupted one continues where it stopped.
    """
    config, overrides = with_precision(config, list(overrides))
    started = time.monotonic()
    quiet_libraries()
    open_cache(config)
    run = RunDirectory(directory)
    data, new = load_texts(config, overrides, run)
    tell_data(data)
    tell_machine(config)
    begin(run, config, overrides, data)
    if run.is_finished:
        logger.info("%s holds this run, finished: nothing to do", short(run.path))
        if not OmegaConf.select(config, "callbacks.keep_checkpoints", default=False):
            shutil.rmtree(run.checkpoints, ignore_errors=True)  # of a process that was killed after its last word
        next_batch(run.path, config.ledger, has_pool=data.pool.size != 0)
        return numbers(read_json(run.metrics_path)["final"])
    keep_texts(config, run, data, new)
    job = build_job(config, data, run)
    _list_skipped(data, run.path)
    try:
        result = refine(job)
        content = save_results(job, result)
        # Recorded before the run is marked finished: a killed run records it again, which changes nothing.
        labelled = record_round(config, new, content["final"]) if new is not None and is_first() else None
        for name, path in label_pictures(config).items() if labelled else ():
            for reporter in job.reporters:
                reporter.on_picture(name, path)
    finally:
        for reporter in job.reporters:
            reporter.close()
    facts = {"model_hash": job.module.classifier.fingerprint(), "calibration": content["calibration"]}
    if is_first():
        run.finish(time.monotonic() - started, facts)
    remove_checkpoints(job)
    if not is_first():
        return numbers(content["final"])
    if not in_sweep():
        _summary(run, content, data)
    n_labels = len(new.labels) if new and starts_warm(config) else 0
    say(what_changed(content, str(config.refine.monitor), n_labels, config.run or ""))
    if labelled is not None:
        tell_round(labelled)
    if (labelled is None or labelled.stop is None) and not in_sweep():
        next_batch(run.path, config.ledger, has_pool=data.pool.size != 0)
    return numbers(content["final"])


ONE_PROCESS = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "num_nodes": 1}
"""Lightning settings for the hardware; they are not part of a run's hash, so a run may be resumed elsewhere."""


def begin(run: RunDirectory, config: DictConfig, overrides: Sequence[str], data: TextData) -> None:
    """Start or resume a run, and store its overrides unless it is finished."""
    settings = public_yaml(config)
    facts = {
        "config_hash": text_hash(public_yaml(in_one_process(config))),
        "seed": config.seed,
        "precision": str(config.trainer.lightning.precision),
        "data_fingerprint": data.fingerprint(),
        "harmful_classes": list(data.classes.harmful_names),
        "started_from": config.run,
        **environment(device_of(config)),
    }
    kept = OmegaConf.to_yaml(OmegaConf.create(list(overrides)))
    if not run.manifest_path.exists():
        write_atomically(run.path / "overrides.yaml", kept)  # a run with a manifest can be resumed
    run.start(settings, facts)
    if not run.is_finished:
        _tell_of_moving(run, config)
        write_atomically(run.path / "overrides.yaml", kept)


def in_one_process(config: DictConfig) -> DictConfig:
    """The configuration as it would be for one process on the CPU."""
    config = copy.deepcopy(config)
    for name, value in ONE_PROCESS.items():
        if name in config.trainer.lightning:
            OmegaConf.update(config, f"trainer.lightning.{name}", value)
    return config


def _tell_of_moving(run: RunDirectory, config: DictConfig) -> None:
    """Print where a resumed run was started, if it was on other hardware."""
    before, now = (
        {name: OmegaConf.select(each, f"trainer.lightning.{name}") for name in ONE_PROCESS}
        for each in (OmegaConf.create(plain_settings(run.config_path)), config)
    )
    if before != now:
        logger.info("%s: goes on with %s; it began with %s", run.path, now, before)


def public_yaml(config: DictConfig) -> str:
    """The resolved settings that affect the result, as YAML.

    The folder of the cache is not included; in paths below it, it is replaced by CACHE.
    """
    config = copy.deepcopy(config)
    OmegaConf.update(config, "paths.cache", "CACHE", merge=False)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)  # noqa: S101 - a DictConfig gives a dict
    for group, _, name in (each.rpartition(".") for each in PRIVATE_KEYS):
        (plain[group] if group else plain).pop(name, None)
    return OmegaConf.to_yaml(plain)


def _list_skipped(data: TextData, directory: Path) -> None:
    """Write `skipped.jsonl`, one line per skipped row, and log how many there are."""
    if data.skipped:
        path = directory / "skipped.jsonl"
        write_json_lines(path, map(asdict, data.skipped))
        logger.warning("%d rows were left out; each is listed in %s", len(data.skipped), short(path))


def _summary(run: RunDirectory, content: dict[str, Any], data: TextData) -> None:
    """Print the run's time, memory and files."""
    manifest = run.manifest
    took = f"{duration(manifest['wall_seconds'])}, {memory(manifest['peak_memory_mib'])} of memory at most"
    rows = [
        ("texts", counts(data)),
        ("rounds", f"{len(content['rounds'])}; {content['stopped_because']}"),
        ("took", took),
    ]
    print_facts("Run finished", rows)
    pictures = [path for name in (BY_ROUND, RELIABILITY) if (path := run.path / name).exists()]
    paths = (run.model, run.density, run.metrics_path, run.manifest_path, run.picture, *pictures)
    print_paths({path.name: path for path in paths})
