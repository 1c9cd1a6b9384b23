"""Computes the tables of the ablation from its stored units: levels, paired differences, and rankings."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.ablation.figures import (
    BASELINE,
    DEPTHS,
    OWN_DISTANCES,
    SCORES,
    START_POINT,
    TRAINED,
    Unit,
    Units,
    Value,
    against_best,
    best_score,
    boundary,
    column,
    gap,
    kinds,
    ood,
    start_points,
)
from benchmarks.ablation.results import Cell, Figure, Results, Table, Tables, difference, level
from benchmarks.intervals import interval, paired

QUALITY = {
    "accuracy": "accuracy",
    "ECE": "ece",
    "near error": "near_error",
    "band error": "band_error",
    "band ECE": "band_ece",
    "pairs": "pair_consistency",
}
"""Columns of what is known at the boundary, and what units call it."""

Arms = Mapping[str, Mapping[int, Unit]]


def all_tables(units: Units) -> Results:
    """Everything that the pages show."""
    results: Results = {}
    for section, arms in units.items():
        task, words = section.split(", ")
        depth = next(name for name, each in DEPTHS.items() if each == words)
        results[task, depth] = section_tables(units, section, arms)
    for task in dict.fromkeys(task for task, _ in results):
        results[task, "outliers"] = {"step 0": seen_outliers(units, task)}
    return results


def section_tables(units: Units, section: str, arms: Arms) -> Tables:
    """Tables of a task at a depth."""
    base, start = arms.get(BASELINE), start_points(units, section)
    tables = {"levels": levels(arms)}
    if base is not None:
        tables["against cross-entropy"] = differences(arms, base)
    if not section.endswith(DEPTHS["start"]) and start:
        tables["against start point"] = differences(arms, start)
    found = {"outliers in the hinge": hinge(arms), "best arms": best_arms(arms, start)}
    if not section.startswith("clinc150"):
        found["distance less energy"] = gaps(arms)
    return tables | {name: table for name, table in found.items() if table.rows}


def plain(arm: str) -> str:
    """The arm as tables name it: under the hinge on texts alone nothing of what is drawn counts."""
    return arm.removeprefix("noise + ") if "texts alone" in arm else arm


def levels(arms: Arms) -> Table:
    """Mean and interval of every figure for every arm."""
    columns = quality(arms)
    for kind in kinds(arms):
        columns |= {f"{kind}: AUROC {score}": ood(kind, score) for score in (*SCORES, "own")}
        columns |= {f"{kind}: FPR95 {score}": ood(kind, score, "fpr95") for score in SCORES}
        columns |= {
            f"{kind}: ID rejected at 95 % of OOD, {score}": ood(kind, score, "fpr95_ood") for score in ("energy", "sum")
        }
    rows: list[list[Cell]] = [
        [plain(arm), len(by), *(level(interval(list(column(by, value).values()))) for value in columns.values())]
        for arm, by in arms.items()
    ]
    return Table(["arm", "seeds", *columns], rows)


def quality(arms: Arms) -> dict[str, Value]:
    """What is known at the boundary; pairs only where there are any."""
    columns = {name: boundary(value) for name, value in QUALITY.items()}
    return {k: v for k, v in columns.items() if any(column(units, v) for units in arms.values())}


def differences(arms: Arms, base: Mapping[int, Unit]) -> Table:
    """Paired differences to `base` of every figure that differs at all, and of best score to best score."""
    others = {arm: by_seed for arm, by_seed in arms.items() if by_seed is not base and arm != START_POINT}
    columns = quality(arms)
    for kind in kinds(arms):
        columns |= {f"{kind}: AUROC {score}": ood(kind, score) for score in SCORES}
        columns[f"{kind}: FPR95 energy"] = ood(kind, "energy", "fpr95")
    cells: dict[str, list[Figure]] = {}
    for name, value in columns.items():
        found = [paired(column(by_seed, value), column(base, value)) for by_seed in others.values()]
        if any(each.mean for each in found):
            cells[name] = [difference(each) for each in found]
    for kind in kinds(arms):
        for metric in ("auroc", "fpr95"):
            name = f"{kind}: best score, {metric.upper()}"
            cells[name] = [difference(against_best(by_seed, base, kind, metric)) for by_seed in others.values()]
    rows: list[list[Cell]] = [
        [plain(arm), len(by_seed.keys() & base.keys()), *(found[i] for found in cells.values())]
        for i, (arm, by_seed) in enumerate(others.items())
    ]
    return Table(["arm", "pairs", *cells], rows)


def seen_outliers(units: Units, task: str) -> Table:
    """AUROC of test texts against the outliers of every sampler before the first step, by energy and by distance."""
    seen: dict[str, dict[int, Unit]] = {}
    for section, arms in units.items():
        for by_seed in arms.values() if section.startswith(f"{task},") else ():
            for seed, unit in by_seed.items():
                if unit["outlier_energy_auroc"]:  # the same at every depth, since all begin at the start point
                    seen.setdefault(unit["sampler"], {})[seed] = unit
    rows: list[list[Cell]] = [
        [
            sampler,
            *(
                level(interval([100.0 * unit["outlier_energy_auroc"][by] for unit in by_seed.values()]))
                for by in ("energy", "mahalanobis")
            ),
        ]
        for sampler, by_seed in seen.items()
    ]
    return Table(["sampler", "energy", "Mahalanobis"], rows)


def gaps(arms: Arms) -> Table:
    """AUROC of the best distance less that of the energy: of the classifier's own, and with the initial encoder's."""
    among = {"own distances": OWN_DISTANCES, "with the initial encoder's": (*OWN_DISTANCES, "pretrained")}
    parts = {f"{kind}: {name}": (kind, scores) for kind in kinds(arms) for name, scores in among.items()}
    rows: list[list[Cell]] = [
        [plain(arm), len(by_seed), *(level(gap(by_seed, *part)) for part in parts.values())]
        for arm, by_seed in arms.items()
    ]
    return Table(["arm", "seeds", *parts], rows)


def best_arms(arms: Arms, start: Mapping[int, Unit]) -> Table:
    """For every kind the arm whose best score gains most over that of cross-entropy, if any does.

    It was picked among several, so a second interval is wider by Bonferroni's rule over the arms compared. Arms with
    fewer seeds than cross-entropy do not take part.
    """
    base = arms.get(BASELINE, {})
    rivals = [arm for arm in arms if arm not in (BASELINE, START_POINT) and arms[arm].keys() >= base.keys()]
    rows: list[list[Cell]] = []
    for kind in kinds(arms) if base and rivals else []:
        gains = {arm: against_best(arms[arm], base, kind, "auroc").mean for arm in rivals}
        arm = max(rivals, key=gains.__getitem__)
        if gains[arm] <= 0.0:
            rows.append([kind, "none", *[None] * 6])
            continue
        scores = f"{best_score(arms[arm], kind)} against {best_score(base, kind)}"
        cells = [against_best(arms[arm], base, kind, metric) for metric in ("auroc", "fpr95")]
        cells.append(against_best(arms[arm], base, kind, "auroc", 1.0 - 0.05 / len(rivals)))
        cells += [against_best(arms[arm], start, kind, metric) for metric in ("auroc", "fpr95")]
        rows.append([kind, plain(arm), scores, *(difference(cell) for cell in cells)])
    head = ["OOD", "best arm", "scores", "AUROC", "FPR95", "AUROC, Bonferroni"]
    return Table([*head, "AUROC to the start point", "FPR95 to the start point"], rows)


def hinge(arms: Arms) -> Table:
    """What the outliers add: the hinge with them less the hinge on texts alone at the same weight, paired by seed."""
    rows: list[list[Cell]] = []
    for arm, by_seed in arms.items():
        loss, weight = next((u["loss"], u["weight"]) for u in by_seed.values())
        control = next((a for a in arms if a.endswith(f"+ hinge, texts alone x {weight:g}")), None)
        if loss not in ("hinge", "hinge and flattening") or control is None:
            continue
        for kind in kinds(arms):
            readings = [boundary("accuracy"), boundary("ece"), *(ood(kind, score) for score in TRAINED)]
            pairs = [paired(column(by_seed, r), column(arms[control], r)) for r in readings]
            rows.append([kind, arm, pairs[0].n, *(difference(pair) for pair in pairs)])
    return Table(["OOD", "arm", "pairs", "accuracy", "ECE", *(f"AUROC {score}" for score in TRAINED)], rows)
