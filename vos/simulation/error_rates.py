"""Test error rates of a simulated round, and comparison of two strategies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vos.metrics.margins import margin
from vos.simulation.settings import Row
from vos.training.comparison_plots import half_width
from vos.types import Example, Featurizer

HARD_LEVELS, EASY_LEVELS = (2, 3), (0, 1)

OF_LEVELS = {"error_hard": HARD_LEVELS, "error_easy": EASY_LEVELS}

METRICS = ("error", "error_hard", "error_easy", "error_band")
"""Error rates of a row: all test texts, levels 2-3, levels 0-1, and those in the band of round 0.

A rate without texts is absent: texts without levels have neither of the middle two.
"""


def measurable(test: Sequence[Example]) -> list[str]:
    """Names of the error rates that these test texts allow: by level only if levels are known.

    Example:
        >>> measurable([Example("a", "She fell.", 1), Example("b", "She sat.", 0)])
        ['error', 'error_band']
    """
    levels = {example.level for example in test}
    return [name for name in METRICS if name not in OF_LEVELS or levels & set(OF_LEVELS[name])]


def error_rates(
    featurizer: Featurizer, test: Sequence[Example], harmful: Sequence[int], band: float
) -> dict[str, float]:
    """Error rates on the test texts: all, hard and easy levels, and in the band of round 0."""
    logits = featurizer.featurize([example.text for example in test]).logits
    wrong = logits.argmax(-1) != torch.tensor([example.label for example in test])
    levels = torch.tensor([-1 if example.level is None else example.level for example in test])

    rows: dict[str, Tensor] = {
        "error": torch.ones_like(wrong),
        **{name: torch.isin(levels, torch.tensor(those)) for name, those in OF_LEVELS.items()},
        "error_band": margin(logits, harmful).abs() <= band,
    }
    return {name: float(wrong[chosen].double().mean()) for name, chosen in rows.items() if chosen.any()}


def compare(
    rows: Sequence[Row], metric: str, round: int, strategy: str = "boundary", baseline: str = "random"
) -> dict[str, float]:
    """Relative reduction of a metric against a baseline, paired by seed, with a 95 % t-interval of the mean.

    Returns: `reduction` of the means (1 - a / b), `low` and `high` of the paired per-seed reductions, and both means.
    """
    table = {(row["strategy"], row["seed"]): float(row[metric]) for row in rows if row["round"] == round}
    seeds = sorted(seed for name, seed in table if name == strategy)
    ours = np.array([table[strategy, seed] for seed in seeds])
    theirs = np.array([table[baseline, seed] for seed in seeds])
    gain = (theirs - ours) / theirs.mean()
    mean, half = float(gain.mean()), half_width(gain)
    return {
        "reduction": mean,
        "low": mean - half,
        "high": mean + half,
        strategy: float(ours.mean()),
        baseline: float(theirs.mean()),
    }


def values_by_labels(rows: Sequence[Row], metric: str, strategy: str, labels: Sequence[float]) -> list[list[float]]:
    """For every number of labels the values of the seeds, in the order of the rows."""
    own = [row for row in rows if row["strategy"] == strategy]
    return [[float(row[metric]) for row in own if row["labels"] == n] for n in labels]
