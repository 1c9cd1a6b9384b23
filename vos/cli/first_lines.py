"""The first lines of a run: number of texts, device and precision."""

from __future__ import annotations

import logging

import torch
from omegaconf import DictConfig

from vos.cli.train_builders import device_of
from vos.data import TextData

logger = logging.getLogger(__name__)

MOST_CLASSES = 6
"""Largest number of classes whose text counts are printed one by one."""


def counts(data: TextData) -> str:
    """Number of texts in each split, in words."""
    splits = {"train": data.train, "validation": data.val, "test": data.test, "of another kind": data.ood}
    told = [f"{len(texts):,} {name}" for name, texts in splits.items() if texts]
    return ", ".join([*told, f"{data.pool.size:,} in the pool"] if data.pool.size else told)


def tell_data(data: TextData) -> None:
    """Print the number of texts in each split, and of the training texts in each class."""
    by_class = [sum(each.label == c for each in data.train) for c in range(len(data.label_names))]
    told = f"{len(by_class)} classes of {min(by_class):,} to {max(by_class):,} texts"
    if len(by_class) <= MOST_CLASSES:
        told = ", ".join(f"{n:,} {name!r}" for name, n in zip(data.label_names, by_class, strict=True))
    logger.info("texts: %s; train: %s", counts(data), told)


def tell_machine(config: DictConfig) -> None:
    """Print the device and the precision of the run."""
    lightning = config.trainer.lightning
    device, n = device_of(config), str(lightning.get("devices", 1))
    processes = "" if n in ("1", "auto") else f" on each of {n} devices" if device != "cpu" else f", {n} processes"
    if device == "cpu":
        told = f"CPU, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() != 1)}{processes}"
    else:
        told = f"{torch.cuda.get_device_name()}{processes}"
    logger.info("device: %s; precision: %s", told, lightning.precision)
