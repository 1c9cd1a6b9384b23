"""Draws pictures of all rounds of a run from their stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vos.metrics.margins import margin
from vos.training.checkpoint import RoundCheckpoint
from vos.training.job import TrainingJob
from vos.training.round_plots import margins_by_round, reliability

BY_ROUND, RELIABILITY = "boundary_by_round.png", "reliability.png"
"""File names in the run's folder."""


def draw_rounds(job: TrainingJob, rounds: Sequence[RoundCheckpoint], kept: int) -> dict[str, Path]:
    """Draw the margins by round, and a reliability diagram of the first round next to the kept one, or the last.

    Args:
        job: job of the run.
        rounds: all rounds, in order.
        kept: number of the round that the run keeps.

    Returns:
        Path of each picture by its short name; empty if no validation text has a label.
    """
    labels = np.array([-1 if each.label is None else each.label for each in job.data.val], dtype=np.int64)
    if not len(labels) or (labels < 0).any():
        return {}
    harmful = list(job.data.harmful)
    margins = {each.number: margin(each.val_logits, harmful).double().numpy() for each in rounds}
    band = rounds[0].metrics["boundary/band"]
    paths = {"pictures/boundary_by_round": job.run.path / BY_ROUND, "pictures/reliability": job.run.path / RELIABILITY}
    margins_by_round(paths["pictures/boundary_by_round"], margins, labels, band, kept, job.data.classes)
    other = rounds[-1].number if kept == rounds[0].number else kept
    shown = [each for each in rounds if each.number in (rounds[0].number, other)]
    said, true = {}, {}
    for each in shown:
        probabilities = torch.softmax(each.val_logits.double(), -1).numpy()
        if harmful:
            said[each.number] = probabilities[:, harmful].sum(-1)
            true[each.number] = np.isin(labels, harmful).astype(np.float64)
        else:
            said[each.number] = probabilities.max(-1)
            true[each.number] = (probabilities.argmax(-1) == labels).astype(np.float64)
    reliability(paths["pictures/reliability"], said, true, bool(harmful))
    return paths
