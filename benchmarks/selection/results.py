"""Units of the comparison put together: means, paired differences, what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from scipy import stats

from benchmarks.intervals import Interval, interval, paired
from vos.storage.json_files import read_json

Curves = Mapping[str, Mapping[int, Sequence[Mapping[str, float]]]]
"""By arm and seed."""

OURS = "coverage"


def collect(
    folder: Path, sets: Sequence[str], encoders: Sequence[str]
) -> dict[str, dict[str, dict[int, list[dict[str, float]]]]]:
    """Learning curves by "SET/ENCODER", arm and seed."""
    found: dict[str, dict[str, dict[int, list[dict[str, float]]]]] = {}
    for path in sorted((folder / "units").glob("*/*/*/*.json")):
        name, encoder, seed = path.parts[-4:-1]
        if name in sets and encoder in encoders:
            found.setdefault(f"{name}/{encoder}", {}).setdefault(path.stem, {})[int(seed)] = read_json(path)["curve"]
    return dict(found)


def value(curve: Sequence[Mapping[str, float]], metric: str) -> float:
    """A figure of a learning curve: after the last round, or over all rounds.

    `area` is the mean error over all numbers of labels after the start (trapezoids, evenly spaced), `mistakes` the
    share of all labels asked for that the classifier of the moment would have got wrong.
    """
    if metric == "area":
        errors = [row["error"] for row in curve]
        return sum((a + b) / 2 for a, b in pairwise(errors)) / (len(errors) - 1)
    if metric == "mistakes":
        shares = [row["mistakes"] for row in curve[1:]]
        return sum(shares) / len(shares)
    return curve[-1][metric]


def mean(curves: Curves, arm: str, metric: str) -> Interval:
    """Over seeds."""
    return interval([value(curve, metric) for curve in curves[arm].values()])


def difference(curves: Curves, arm: str, other: str, metric: str, confidence: float = 0.95) -> Interval:
    """Of two arms, paired by seed."""
    ours, theirs = ({s: value(c, metric) for s, c in curves[name].items()} for name in (arm, other))
    return paired(ours, theirs, confidence)


def holm(curves: Curves, others: Sequence[str], metric: str) -> dict[str, float]:
    """Holm-corrected two-sided p-values of the differences of ours and each other."""
    raw = {}
    for other in others:
        found = difference(curves, OURS, other, metric)
        scale = found.half / stats.t.ppf(0.975, found.n - 1) if found.n > 1 else float("nan")
        raw[other] = float(2 * stats.t.sf(abs(found.mean) / scale, found.n - 1)) if scale and scale > 0 else 1.0
    result, largest = {}, 0.0
    for rank, (other, p) in enumerate(sorted(raw.items(), key=lambda each: each[1])):
        largest = max(largest, min(1.0, p * (len(raw) - rank)))
        result[other] = largest
    return result


def differences(found: Mapping[str, Curves]) -> dict[str, object]:
    """Of the error after the last round, in points: ours less each other, `[mean, low, high]`."""
    result: dict[str, object] = {}
    for name, curves in found.items():
        for other in curves:
            if other != OURS and OURS in curves:
                gap = difference(curves, OURS, other, "error")
                bounds = (gap.mean, gap.mean - gap.half, gap.mean + gap.half)
                result[f"{name}/{OURS}_minus_{other}"] = [round(100 * each, 2) for each in bounds]
    return result
