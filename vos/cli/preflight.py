"""Checks before any work: settings, devices, packages, folders, language models and labelling tools."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from vos.cli.checks import Build, built, check_settings, unwrapped
from vos.cli.pool_engines import check_engine
from vos.cli.quiet import quiet_libraries
from vos.cli.warm_start import model_changes, starts_warm
from vos.cli.wiring import build_sampler, completed, synthesis_settings
from vos.data.files import read_rows
from vos.errors import ConfigError, RunError
from vos.generation.server.settings import LanguageModelServer
from vos.labeling.backends import Exporter
from vos.labeling.delivery import check_is_there
from vos.labeling.ledger import Ledger
from vos.loop.gold import read_gold
from vos.models.precision import AUTO, FULL
from vos.storage.run_directory import RunDirectory
from vos.training.sharding import SHARDED, check_gpus, register

SIZES = {"n_classes": 2, "n_features": 8}
"""Seed of the objects that are built only for a check."""

WIDEST = 4096
"""Largest number of features of a density built for a check; encoders have fewer."""


def _no_memory() -> tuple[Tensor, Tensor]:
    raise ConfigError("no text has been read yet")


def _completed(node: DictConfig) -> object:
    return unwrapped(lambda: completed(instantiate(node), **SIZES))


def _density(node: DictConfig) -> object:
    """Build a density with as many features as its rank needs; the classifier's number is not known yet."""
    sizes = SIZES | {"n_features": min(max(SIZES["n_features"], int(node.get("rank") or 0)), WIDEST)}
    return unwrapped(lambda: completed(instantiate(node), **sizes))


def _sampler(node: DictConfig) -> object:
    return unwrapped(lambda: build_sampler(node, (), _no_memory))


def _trainer(node: DictConfig) -> object:
    options: dict[str, Any] = {
        "max_epochs": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    }
    if node.precision == AUTO:
        options["precision"] = FULL  # decided later, for this machine

    if node.strategy == SHARDED:
        register()
        check_gpus(node.accelerator, node.devices)

    def build() -> pl.Trainer:
        made: pl.Trainer = instantiate(node)(**options)
        return made

    return unwrapped(build)


TRAIN: dict[str, Build] = {
    **dict.fromkeys(("data", "optimizer", "schedule", "loss.settings", "refine", "callbacks", "mix", "stop"), built),
    "density.model": _density,
    "outliers": _sampler,
    "loss.module": _completed,
    "exposure": built,
    "language_model": built,
    "labels": built,
    "simulation": built,
    "trainer.lightning": _trainer,
}

SYNTHESIZE: dict[str, Build] = {
    "outliers": _sampler,
    **dict.fromkeys(("language_model", "acquisition", "candidates", "labeling", "pool", "verification"), built),
}


ATLAS: dict[str, Build] = {"outliers": _sampler, "pool": built}


def check_training(config: DictConfig) -> None:
    """Check a training before it reads a text or creates a folder.

    Raises:
        VosError: what was expected and found.
    """
    quiet_libraries()
    check_settings(config, TRAIN)
    check_folder("paths.cache", Path(config.paths.cache))
    if config.density.memory == "queue" and config.density.capacity is None:
        raise ConfigError("density.capacity: expected the number of texts per class that the queue keeps, found none")
    if starts_warm(config) and RunDirectory(config.run).config_path.exists() and not config.simulation:
        model_changes(config)
    if not config.resume:  # a resumed run may have its texts already
        check_language_model(config, "exposure.language_model")
    if OmegaConf.select(config, "labels"):
        if config.callbacks.max_epochs == 0 and not config.dry_run:
            raise ConfigError(
                "trainer.max_epochs: expected at least 1 with labels=..., as new answers are to be trained on, found 0"
            )
        check_is_there(config.ledger)
    elif config.dry_run:
        raise ConfigError("dry_run=true: expected labels=..., whose import it tries, found none")


def check_synthesis(config: DictConfig) -> None:
    """Check a synthesis before it scores the pool.

    Raises:
        VosError: what was expected and found.
    """
    quiet_libraries()
    check_settings(config, SYNTHESIZE)
    synthesis_settings(config)
    check_device(str(config.device))
    check_folder("paths.cache", Path(config.paths.cache))
    check_language_model(config, "candidates.generation.language_model")
    check_engine(config)


def check_language_model(config: DictConfig, place: str) -> None:
    """Check the server of a language model; local models, and models that are not used, are not checked.

    Args:
        config: configuration of a program.
        place: the setting that refers to the language model if something is to be written.

    Raises:
        VosError: what was expected and found.
    """
    if OmegaConf.select(config, place) is None:
        return
    model = unwrapped(lambda: instantiate(config.language_model))
    if isinstance(model, LanguageModelServer):
        model.check()


def check_atlas(config: DictConfig) -> None:
    """Check an atlas before it reads a text.

    Raises:
        VosError: what was expected and found.
    """
    quiet_libraries()
    check_settings(config, ATLAS)
    check_device(str(config.device))
    check_folder("paths.cache", Path(config.paths.cache))
    check_folder("output", Path(config.output or config.run))
    if config.batch is not None and not Path(config.batch).is_file():
        raise ConfigError(f"batch={config.batch}: expected a near_boundary.jsonl, found no file there")
    if config.tags is not None:
        next(read_rows(config.tags), None)
    if Path(config.ledger).exists():
        Ledger(config.ledger).close()


def check_sending(config: DictConfig, output: Path) -> None:
    """Check that a batch can be sent: token, server, permission and a writable folder.

    Raises:
        VosError: what was expected and found.
    """
    check_folder("output", output)
    if config.labeling._target_ is None:
        return
    exporter: Exporter = instantiate(config.labeling)
    exporter.check()
    if Path(config.ledger).exists():
        Ledger(config.ledger).close()
    else:
        check_folder("ledger", Path(config.ledger).parent)


def check_gold(config: DictConfig, label_names: Sequence[str]) -> None:
    """Check that a file of gold texts can be used with these classes."""
    path = OmegaConf.select(config, "labeling.plan.gold_path")
    if path:
        read_gold(path, label_names)


def check_device(device: str) -> None:
    """Raise ConfigError unless `device` exists on this machine."""
    try:
        kind = torch.device(device).type
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"device: expected cpu, or cuda where there is a GPU, got {device!r}: {reason}") from error
    if kind == "meta":
        raise ConfigError(f"device: expected cpu, or cuda where there is a GPU, got {device!r}")


def check_folder(setting: str, folder: Path) -> None:
    """Raise RunError unless `folder` is writable or can be created; nothing is created."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        found = "is no folder" if not there.is_dir() else "cannot be written to"
        raise RunError(f"{setting}={folder}: expected a folder that can be written to, but {there} {found}")
