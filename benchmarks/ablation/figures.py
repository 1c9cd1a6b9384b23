"""Figures of the ablation, computed from the stored units: per seed, paired, best score against best score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.intervals import Interval, interval, paired

BASELINE = "cross-entropy"
SCORES = ("energy", "mahalanobis", "knn", "sum", "pretrained", "sum, pretrained")
OWN_DISTANCES = ("mahalanobis", "knn")
TRAINED = ("energy", *OWN_DISTANCES, "sum")
"""Scores of the trained classifier itself; the others ask the encoder as it was before training."""

START_POINT = "start point"
DEPTHS = {"head": "head alone", "encoder": "encoder and head", "start": "from the start"}

Unit = dict[str, Any]
Units = dict[str, dict[str, dict[int, Unit]]]
"""By task and depth, arm and seed."""

Value = Callable[[Unit], float | None]


def read_units(folder: Path, names: Sequence[str]) -> Units:
    """Every finished unit under `folder/units` but infeasible ones, arms in the order of their names here."""
    units: Units = {}
    for path in sorted((folder / "units").glob("*/*/*/*.json")):
        unit = json.loads(path.read_text("utf-8"))
        if "infeasible" in unit:
            continue
        units.setdefault(f"{unit['task']}, {DEPTHS[unit['depth']]}", {}).setdefault(unit["arm"], {})[unit["seed"]] = (
            unit
        )
    for section, arms in units.items():
        units[section] = {
            name: arms[name]
            for name in sorted(arms, key=lambda each: names.index(each) if each in names else len(names))
        }
    return units


def kinds(arms: Mapping[str, Mapping[int, Unit]]) -> list[str]:
    """Kinds of OOD texts of a task."""
    return list(next(iter(next(iter(arms.values())).values()))["ood"])


def ood(kind: str, score: str, metric: str = "auroc") -> Value:
    """Reads one OOD figure of a unit, in percent."""

    def read(unit: Unit) -> float | None:
        return 100.0 * unit["ood"][kind][score][metric] if score in unit["ood"][kind] else None

    return read


def boundary(name: str) -> Value:
    """Reads one boundary figure of a unit, in percent."""

    def read(unit: Unit) -> float | None:
        value = unit["boundary"].get(name)
        return None if value is None else 100.0 * value

    return read


def column(units: Mapping[int, Unit], value: Value) -> dict[int, float]:
    """The figure by seed, where it is known."""
    found = {seed: value(unit) for seed, unit in units.items()}
    return {seed: v for seed, v in found.items() if v is not None}


def best_score(units: Mapping[int, Unit], kind: str, among: Sequence[str] = SCORES) -> str:
    """The score with the highest mean AUROC over seeds, among those that are known."""
    means = {score: interval(list(column(units, ood(kind, score)).values())).mean for score in among}
    return max((score for score in among if means[score] == means[score]), key=means.__getitem__, default=among[0])


def gap(units: Mapping[int, Unit], kind: str, among: Sequence[str]) -> Interval:
    """AUROC of the best of some distance scores less that of the energy, paired by seed."""
    distance = best_score(units, kind, among)
    return paired(column(units, ood(kind, distance)), column(units, ood(kind, "energy")))


def against_best(
    ours: Mapping[int, Unit], theirs: Mapping[int, Unit], kind: str, metric: str, confidence: float = 0.95
) -> Interval:
    """One arm's score with the best mean AUROC less another arm's, in any metric, over the seeds that both have."""
    common = ours.keys() & theirs.keys()
    pairs = []
    for units in (ours, theirs):
        shared = {seed: units[seed] for seed in common}
        pairs.append(column(shared, ood(kind, best_score(shared, kind), metric)))
    return paired(*pairs, confidence)


def start_points(units: Units, section: str) -> Mapping[int, Unit]:
    """The start points of a section's task by seed."""
    return units.get(f"{section.split(',')[0]}, {DEPTHS['head']}", {}).get(START_POINT, {})
