"""Composes the configuration of a program from overrides, as its command line does."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vos.cli.configuration import register
from vos.cli.help import explained
from vos.storage.commands import command


def composed(program: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Compose the configuration of a program without its command line.

    Args:
        program: "train", "synthesize" or "atlas".
        overrides: as on its command line.

    Raises:
        hydra.errors.ConfigCompositionException: an override that cannot be used.
    """
    prepare()
    GlobalHydra.instance().clear()
    with initialize(version_base="1.3", config_path=None):
        return compose(program, overrides=list(overrides))


def prepare() -> None:
    """Register the configuration and its resolvers with Hydra; needed once per process, and safe to repeat.

    `${run_directory:GIVEN,ROOT}`: GIVEN if it exists, otherwise a new folder under ROOT, named by date and time with a
    random suffix that separates two starts in the same second. `${program:NAME}`: the command the program was called
    with. `${explained:}`: every setting with its value and meaning.
    """
    logging.raiseExceptions = False  # no traceback if the log's disk is full; messages are also printed
    register()
    OmegaConf.register_new_resolver("run_directory", _run_directory, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("program", command, replace=True)
    OmegaConf.register_new_resolver("explained", explained, replace=True)


def in_sweep() -> bool:
    """Whether this run is part of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _run_directory(given: str | None, root: str) -> str:
    if given and Path(given).is_dir():
        return given
    return str(Path(root) / time.strftime("%Y-%m-%d") / f"{time.strftime('%H-%M-%S')}-{secrets.token_hex(3)}")
