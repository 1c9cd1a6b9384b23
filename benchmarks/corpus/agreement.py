"""Agreement of a second, blind annotation with the author's label, before any text was dropped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.corpus.rows import read_jsonl
from vos.metrics.calibration import wilson_interval

FEW = 100
"""Levels 2 and 3 are pooled where one of them has fewer texts."""


def agreement(name: str) -> dict[str, float | int]:
    """Shares of agreement with Wilson's 95 % intervals, and kappa, by level; and shares by label and level.

    A reading that left the text open ("?") counts as a disagreement. Kappa needs both labels, so it is given by level;
    within a cell the author's label is constant and only the share of agreement means something.
    """
    read = read_jsonl(name, "second_reading.jsonl")
    first = np.array([str(row["label"]) for row in read])
    second = np.array([row["second"] for row in read])
    level = np.array([row["level"] for row in read])
    same = first == second
    result: dict[str, float | int] = {"texts_read": len(read), "disagreements": int((~same).sum())}
    result |= _share("agreement", same)
    result["kappa"] = cohen_kappa_score(first, second)
    for which, rows in _levels(level):
        result[f"kappa_{which}"] = cohen_kappa_score(first[rows], second[rows])
        result |= _share(f"agreement_{which}", same[rows])
    for label in ("0", "1"):
        own = first == label
        for which, rows in _levels(level[own]):
            result |= _share(f"agreement_label_{label}_{which}", same[own][rows])
    return {key: value if isinstance(value, int) else round(float(value), 4) for key, value in result.items()}


def _levels(level: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Names and rows of the levels; 2 and 3 together where one of them has few."""
    pooled = min((level == 2).sum(), (level == 3).sum()) < FEW
    for own in ((0,), (1,), (2, 3)) if pooled else ((0,), (1,), (2,), (3,)):
        yield ("level" if len(own) == 1 else "levels") + "".join(f"_{v}" for v in own), np.isin(level, own)


def _share(name: str, same: np.ndarray) -> dict[str, float]:
    low, high = wilson_interval(int(same.sum()), len(same))
    return {name: same.mean(), f"{name}_low": low, f"{name}_high": high}
