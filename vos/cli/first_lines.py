"""The first lines of a run: how many texts, where it is computed and how precisely."""

from __future__ import annotations

import logging

import torch
from omegaconf import DictConfig

from vos.cli.train_builders import device_of
from vos.data import TextData

logger = logging.getLogger(__name__)

MOST_CLASSES = 6
"""Classes whose numbers of texts are told one by one."""


def counts(data: TextData) -> str:
    """How many texts there are of each split."""
    splits = {"train": data.train, "validation": data.val, "test": data.test, "of another kind": data.ood}
    told = [f"{len(texts):,} {name}" for name, texts in splits.items() if texts]
    return ", ".join([*told, f"{data.pool.size:,} in the pool"] if data.pool.size else told)


def tell_data(data: TextData) -> None:
    """Say how many texts of each split there are, and how many of the training texts are of each class."""
    by_class = [sum(each.label == c for each in data.train) for c in range(len(data.label_names))]
    told = f"{len(by_class)} classes of {min(by_class):,} to {max(by_class):,} texts"
    if len(by_class) <= MOST_CLASSES:
        told = ", ".join(f"{n:,} {name!r}" for name, n in zip(data.label_names, by_class, strict=True))
    logger.info("texts: %s; train: %s", counts(data), told)


def tell_machine(config: DictConfig) -> None:
    """Say where the run is computed, and in which arithmetic."""
    lightning = config.trainer.lightning
    device, n = device_of(config), str(lightning.get("devices", 1))
    processes = "" if n in ("1", "auto") else f" on each of {n} devices" if device != "cpu" else f", {n} processes"
    if device == "cpu":
        told = f"CPU, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() != 1)}{processes}"
    else:
        told = f"{torch.cuda.get_device_name()}{processes}"
    logger.info("device: %s; precision: %s", told, lightning.precision)
