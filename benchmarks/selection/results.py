"""Aggregates the units of the comparison: means, paired differences, and their significance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from scipy import stats

from benchmarks.intervals import Interval, interval, paired
from vos.storage.json_files import read_json

Curve = Sequence[Mapping[str, float]]

Columns = Mapping[str, Sequence[float]]
"""Figures of a strategy by name, a value for each unit; among them `seed`, and how many labels it `start`s from."""

Figures = Mapping[str, Columns]
"""By strategy."""

OURS = "coverage"


def collect(folder: Path, sets: Sequence[str], encoders: Sequence[str]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Figures of the finished units, by "SET/ENCODER"."""
    curves: dict[str, dict[str, dict[int, Curve]]] = {}
    for path in sorted((folder / "units").glob("*/*/*/*.json")):
        name, encoder, seed = path.parts[-4:-1]
        if name in sets and encoder in encoders:
            by_arm = curves.setdefault(f"{name}/{encoder}", {})
            by_arm.setdefault(path.stem, {})[int(seed)] = read_json(path)["curve"]
    return {task: {arm: columns(by_seed) for arm, by_seed in by_arm.items()} for task, by_arm in curves.items()}


def columns(by_seed: Mapping[int, Curve]) -> dict[str, list[float]]:
    """Figures of learning curves: after the last round, or over all rounds; to four digits.

    `area` is the mean error over all numbers of labels after the start (trapezoids, evenly spaced), `mistakes` the
    share of all labels asked for that the classifier of the moment would have got wrong.
    """
    seeds = sorted(by_seed)
    rows = [_figures(by_seed[seed]) for seed in seeds]
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {"seed": [*seeds], **{name: [round(row[name], 4) for row in rows] for name in names}}


def _figures(curve: Curve) -> dict[str, float]:
    errors, mistakes = [row["error"] for row in curve], [row["mistakes"] for row in curve[1:] if "mistakes" in row]
    found = {"start": curve[0].get("labels", 0), **curve[-1]}
    found["area"] = sum((a + b) / 2 for a, b in pairwise(errors)) / (len(errors) - 1)
    return found | ({"mistakes": sum(mistakes) / len(mistakes)} if mistakes else {})


def mean(figures: Figures, arm: str, metric: str) -> Interval:
    """Over seeds."""
    return interval(figures[arm][metric])


def difference(figures: Figures, arm: str, other: str, metric: str, confidence: float = 0.95) -> Interval:
    """Of two arms, paired by seed."""
    ours, theirs = (
        dict(zip(map(int, figures[each]["seed"]), figures[each][metric], strict=True)) for each in (arm, other)
    )
    return paired(ours, theirs, confidence)


def holm(figures: Figures, others: Sequence[str], metric: str) -> dict[str, float]:
    """Holm-corrected two-sided p-values of the differences of ours and each other."""
    raw = {}
    for other in others:
        found = difference(figures, OURS, other, metric)
        scale = found.half / stats.t.ppf(0.975, found.n - 1) if found.n > 1 else float("nan")
        raw[other] = float(2 * stats.t.sf(abs(found.mean) / scale, found.n - 1)) if scale and scale > 0 else 1.0
    result, largest = {}, 0.0
    for rank, (other, p) in enumerate(sorted(raw.items(), key=lambda each: each[1])):
        largest = max(largest, min(1.0, p * (len(raw) - rank)))
        result[other] = largest
    return result


def differences(found: Mapping[str, Figures]) -> dict[str, object]:
    """Of the error after the last round, in points: ours less each other, `[mean, low, high]`."""
    result: dict[str, object] = {}
    for name, figures in found.items():
        for other in figures:
            if other != OURS and OURS in figures:
                gap = difference(figures, OURS, other, "error")
                bounds = (gap.mean, gap.mean - gap.half, gap.mean + gap.half)
                result[f"{name}/{OURS}_minus_{other}"] = [round(100 * each, 2) for each in bounds]
    return result
