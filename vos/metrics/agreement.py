"""Detects a classifier that agrees with the labels less than chance, as one whose classes are swapped does."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

STANDARD_ERRORS = 2.5
"""How far below chance the agreement must be; an untrained classifier reaches this once in 160 times."""


def below_chance(logits: Tensor, labels: Tensor) -> tuple[float, float] | None:
    """Return accuracy and the accuracy expected by chance if the first is clearly below the second; otherwise None.

    Chance is computed from the frequencies of predictions and labels, as in Cohen's kappa: a classifier that always
    predicts the same class is at chance.

    Args:
        logits: (n, C).
        labels: (n,) int64 class indices.

    Example:
        >>> below_chance(torch.eye(2).repeat(20, 1), torch.tensor([1, 0]).repeat(20))
        (0.0, 0.5)
    """
    n = len(labels)
    if n == 0:
        return None
    predicted = logits.argmax(-1)
    shares = [torch.bincount(each, minlength=logits.shape[1]).double() / n for each in (predicted, labels)]
    chance = float((shares[0] * shares[1]).sum())
    accuracy = float((predicted == labels).double().mean())
    error = math.sqrt(chance * (1 - chance) / n)
    return (accuracy, chance) if accuracy < chance - STANDARD_ERRORS * error else None


def report_below_chance(
    logits: Tensor, labels: Tensor, label_names: Sequence[str], where: str, class_of_output: Sequence[int] | None = None
) -> None:
    """Log an error if the agreement is below chance, which suggests that outputs are assigned to wrong classes.

    Args:
        logits: (n, C).
        labels: (n,) int64 class indices.
        label_names: names of the C classes, or of the classes that the C outputs count as.
        where: description of the texts, for the message.
        class_of_output: (C,) index into `label_names` for each output; None: one class per output.
    """
    if class_of_output is not None:
        class_of = torch.tensor(class_of_output, device=logits.device)
        one_hot = torch.nn.functional.one_hot(class_of[logits.argmax(-1)], len(label_names))
        logits, labels = one_hot.float(), class_of[labels]
    found = below_chance(logits, labels)
    if found is not None:
        logger.error(
            "%s: the classifier agrees with the labels LESS THAN CHANCE: accuracy %.3f, %.3f by chance; its outputs "
            "may stand for other classes than %s: check model.label_map, data.label_map and data.positive",
            where, *found, list(label_names),
        )  # fmt: skip
