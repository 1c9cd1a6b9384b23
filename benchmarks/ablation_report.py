"""Tables of the ablation, from the kept units alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation_stats import Interval, interval, paired

BASELINE = "cross-entropy"
SCORES = ("energy", "mahalanobis", "knn", "sum", "pretrained", "sum, pretrained")
DISTANCES = ("mahalanobis", "knn", "pretrained")
DEPTHS = {"head": "head alone", "encoder": "encoder and head", "start": "from the start"}
METRICS = {"auroc": "AUROC", "fpr95": "FPR95", "fpr95_ood": "ID rejected at 95 % of OOD"}
MARKS = ("<!-- tables: begin -->", "<!-- tables: end -->")

Unit = dict[str, Any]
Units = dict[str, dict[str, dict[int, Unit]]]
"""By task and depth, arm and seed."""

Value = Callable[[Unit], float | None]


def read_units(folder: Path) -> Units:
    """Every finished unit under `folder/units` but infeasible ones, arms in the order of the table of arms."""
    units: Units = {}
    for path in sorted((folder / "units").glob("*/*/*/*.json")):
        unit = json.loads(path.read_text("utf-8"))
        if "infeasible" in unit:
            continue
        units.setdefault(f"{unit['task']}, {DEPTHS[unit['depth']]}", {}).setdefault(unit["arm"], {})[unit["seed"]] = (
            unit
        )
    for task, arms in units.items():
        units[task] = dict(sorted(arms.items(), key=lambda pair: min(u["order"] for u in pair[1].values())))
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
    """The score with the highest mean AUROC over seeds."""
    return max(among, key=lambda score: interval(list(column(units, ood(kind, score)).values())).mean)


def gap(units: Mapping[int, Unit], kind: str) -> Interval:
    """AUROC of the best distance score less that of the energy, paired by seed."""
    distance = best_score(units, kind, DISTANCES)
    return paired(column(units, ood(kind, distance)), column(units, ood(kind, "energy")))


def against_best(
    arms: Mapping[str, Mapping[int, Unit]], arm: str, kind: str, metric: str, confidence: float = 0.95
) -> Interval:
    """The arm's best score less the best score of cross-entropy, paired by seed."""
    ours, theirs = best_score(arms[arm], kind), best_score(arms[BASELINE], kind)
    return paired(
        column(arms[arm], ood(kind, ours, metric)), column(arms[BASELINE], ood(kind, theirs, metric)), confidence
    )


def shown(found: Interval, signed: bool = False) -> str:
    """`mean ± half`, a signed one in bold where its interval is free of zero."""
    if found.n == 0:
        return "-"
    text = f"{found.mean:+.2f}" if signed else f"{found.mean:.2f}"
    text += "" if math.isnan(found.half) else f" ± {found.half:.2f}"
    return f"**{text}**" if signed and found.free_of_zero else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def levels_table(arms: Mapping[str, Mapping[int, Unit]], columns: Mapping[str, Value]) -> str:
    """Mean and interval of every figure for every arm."""
    rows = []
    for arm, units in arms.items():
        cells = [shown(interval(list(column(units, value).values()))) for value in columns.values()]
        rows.append([arm, str(len(units)), *cells])
    return table(["arm", "seeds", *columns], rows)


def differences_table(arms: Mapping[str, Mapping[int, Unit]], columns: Mapping[str, Value]) -> str:
    """Paired differences to cross-entropy of every figure for every other arm, and of best score to best score."""
    rows = []
    base = arms[BASELINE]
    for arm, units in arms.items():
        if arm == BASELINE:
            continue
        cells = [shown(paired(column(units, value), column(base, value)), signed=True) for value in columns.values()]
        best = [
            shown(against_best(arms, arm, kind, metric), signed=True)
            for kind in kinds(arms)
            for metric in ("auroc", "fpr95")
        ]
        rows.append([arm, str(len(units.keys() & base.keys())), *cells, *best])
    names = [f"{kind}: best, {metric}" for kind in kinds(arms) for metric in ("AUROC", "FPR95")]
    return table(["arm", "pairs", *columns, *names], rows)


def visibility_table(units: Units) -> str:
    """What the head and the density see of the outliers of every sampler before the first step."""
    seen: dict[str, dict[str, dict[int, Unit]]] = {}
    for task, arms in units.items():
        for by_seed in arms.values():
            for seed, unit in by_seed.items():
                if unit["visibility"]:
                    seen.setdefault(unit["sampler"], {}).setdefault(task, {})[seed] = unit
    rows = []
    for sampler, tasks in seen.items():
        cells = [
            shown(interval([100.0 * unit["visibility"][by] for unit in tasks.get(task, {}).values()]))
            for task in units
            for by in ("energy", "mahalanobis")
        ]
        rows.append([sampler, *cells])
    return table(["sampler", *(f"{task}: {by}" for task in units for by in ("energy", "Mahalanobis"))], rows)


def gap_table(units: Units) -> str:
    """AUROC of the best distance score less that of the energy, for the tasks of two classes."""
    columns = [(task, kind) for task, arms in units.items() if not task.startswith("clinc150") for kind in kinds(arms)]
    arms = dict.fromkeys(arm for task, _ in columns for arm in units[task])
    rows = [
        [arm, *(shown(gap(units[task][arm], kind)) if arm in units[task] else "-" for task, kind in columns)]
        for arm in arms
    ]
    return table(["arm", *(f"{task}: {kind}" for task, kind in columns)], rows)


def best_table(units: Units) -> str:
    """For every task and kind the arm whose best score has the highest mean AUROC, against cross-entropy's best.

    It was picked among several, so a second interval is wider by Bonferroni's rule over the arms compared.
    """
    rows = []
    for task, arms in units.items():
        rivals = [arm for arm in arms if arm != BASELINE]
        for kind in kinds(arms) if BASELINE in arms and rivals else []:
            arm = max(rivals, key=lambda a: against_best(arms, a, kind, "auroc").mean)
            scores = f"{best_score(arms[arm], kind)} against {best_score(arms[BASELINE], kind)}"
            wider = against_best(arms, arm, kind, "auroc", 1.0 - 0.05 / len(rivals))
            rows.append([task, kind, arm, scores, str(wider.n), shown(against_best(arms, arm, kind, "auroc"), True),
                         shown(wider, True), shown(against_best(arms, arm, kind, "fpr95"), True)])  # fmt: skip
    head = ["task", "OOD", "best arm", "scores", "pairs", "AUROC", "AUROC, Bonferroni", "FPR95"]
    return table(head, rows)


def contrast_table(units: Units) -> str:
    """What the outliers add: the hinge with them less the hinge on texts alone at the same weight, paired by seed."""
    rows = []
    for task, arms in units.items():
        for arm, by_seed in arms.items():
            loss, weight = next((u["loss"], u["weight"]) for u in by_seed.values())
            control = next((a for a in arms if a.endswith(f"+ hinge, texts alone x {weight:g}")), None)
            if loss != "hinge" or control is None:
                continue
            for kind in kinds(arms):
                readings = [ood(kind, score, metric) for score in ("energy", "sum") for metric in ("auroc", "fpr95")]
                pairs = [paired(column(by_seed, r), column(arms[control], r)) for r in readings]
                rows.append([task, kind, arm, str(pairs[0].n), *(shown(pair, signed=True) for pair in pairs)])
    return table(["task", "OOD", "arm", "pairs", "AUROC energy", "FPR95 energy", "AUROC sum", "FPR95 sum"], rows)


def boundary_columns(arms: Mapping[str, Mapping[int, Unit]]) -> dict[str, Value]:
    """What is known at the boundary; pairs only where there are any."""
    columns = {
        "accuracy": boundary("accuracy"),
        "ECE": boundary("ece"),
        "near error": boundary("near_error"),
        "band error": boundary("band_error"),
        "band ECE": boundary("band_ece"),
        "pairs": boundary("pair_consistency"),
    }
    return {k: v for k, v in columns.items() if any(column(units, v) for units in arms.values())}


def all_tables(units: Units) -> str:
    """Every table, as Markdown; all figures in percent."""
    parts = ["### The best arm of each kind against cross-entropy, best score against best score", best_table(units)]
    parts += ["### What outliers add to the hinge", contrast_table(units)]
    parts += ["### Visibility at step 0", visibility_table(units)]
    if any(not task.startswith("clinc150") for task in units):
        parts += ["### Two classes: AUROC of the best distance score less that of the energy", gap_table(units)]
    for task, arms in units.items():
        quality = boundary_columns(arms)
        if BASELINE in arms:
            differences = dict(quality)
            for kind in kinds(arms):
                differences |= {f"{kind}: AUROC {score}": ood(kind, score) for score in SCORES}
                differences[f"{kind}: FPR95 energy"] = ood(kind, "energy", "fpr95")
            parts += [f"### {task}: paired differences to cross-entropy", differences_table(arms, differences)]
        parts += [f"<details><summary>{task}: levels</summary>", levels_table(arms, quality)]
        for kind in kinds(arms):
            for metric, name in METRICS.items():
                scores = (*SCORES, "own") if metric == "auroc" else SCORES
                columns = {f"{kind}: {name}, {score}": ood(kind, score, metric) for score in scores}
                parts.append(levels_table(arms, columns))
        parts.append("</details>")
    return "\n\n".join(parts)


def write_report(units: Units, path: Path) -> None:
    """Put the tables between the two marks of the file; what stands around them stays."""
    text = path.read_text("utf-8") if path.exists() else f"# Results\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    path.write_text(f"{before}{MARKS[0]}\n\n{all_tables(units)}\n\n{MARKS[1]}{after}", "utf-8")
