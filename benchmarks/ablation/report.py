"""Tables of the ablation as Markdown: what matters into one file, everything else into a second one beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

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
from benchmarks.intervals import Interval, interval, paired

MARKS = ("<!-- tables: begin -->", "<!-- tables: end -->")
EVERYTHING = "results_tables.md"

SUMMARY = (
    ("head", START_POINT),
    ("encoder", BASELINE),
    ("encoder", "tail + energy x 0.1"),
    ("encoder", "mixes + hinge x 1"),
    ("encoder", "noise + hinge, texts alone x 10"),
    ("encoder", "boundary + hinge and flattening x 10"),
    ("start", "mixes + extra class x 0.5"),
    ("start", "spliced texts + extra class x 0.5"),
    ("start", "written texts + extra class x 0.5"),
    ("start", "written texts + energy x 0.5"),
    ("start", "written texts + energy x 2"),
    ("start", "more written texts + extra class x 0.5"),
    ("start", "more written texts + energy x 2"),
)
"""Depth and arm of the rows of the first table."""

Arms = Mapping[str, Mapping[int, Unit]]


def shown(found: Interval, signed: bool = False) -> str:
    """`mean ± half`, a signed one in bold where its interval is free of zero."""
    if found.n == 0 or math.isnan(found.mean):
        return "-"
    text = f"{found.mean:+.2f}" if signed else f"{found.mean:.2f}"
    text += "" if math.isnan(found.half) else f" ± {found.half:.2f}"
    return f"**{text}**" if signed and found.free_of_zero else text


def level(units: Mapping[int, Unit], value: Value) -> str:
    """Mean and interval of a figure."""
    return shown(interval(list(column(units, value).values())))


def plain(arm: str) -> str:
    """The arm as tables name it: under the hinge on texts alone nothing of what is drawn counts."""
    return arm.removeprefix("noise + ") if "texts alone" in arm else arm


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def summary_table(units: Units, task: str) -> str:
    """The arms that matter, of one task: accuracy, calibration, energy and the best score of the trained classifier."""
    found = [
        (arm, depth, units[f"{task}, {DEPTHS[depth]}"][arm])
        for depth, arm in SUMMARY
        if arm in units.get(f"{task}, {DEPTHS[depth]}", {})
    ]
    columns = kinds(units[f"{task}, {DEPTHS['head']}"])
    rows = []
    for arm, depth, by_seed in found:
        row = [plain(arm), DEPTHS[depth], str(len(by_seed))]
        row += [level(by_seed, boundary(name)) for name in ("accuracy", "ece")]
        for kind in columns:
            best = best_score(by_seed, kind, TRAINED)
            row += [level(by_seed, ood(kind, "energy")), f"{level(by_seed, ood(kind, best))} ({best})"]
            row += [level(by_seed, ood(kind, best_score(by_seed, kind), "fpr95"))]
        rows.append(row)
    names = [
        f"{kind}: {what}" for kind in columns for what in ("energy", "best of its own scores", "best FPR95 of all")
    ]
    initial = " and ".join(f"{kind} {level(found[0][2], ood(kind, 'pretrained'))}" for kind in columns)
    foot = f"AUROC by the nearest training text in the initial encoder alone: {initial}."
    return table(["arm", "trained", "seeds", "accuracy", "ECE", *names], rows) + f"\n\n{foot}"


def levels_table(arms: Arms, columns: Mapping[str, Value]) -> str:
    """Mean and interval of every figure for every arm."""
    rows = [[plain(arm), str(len(by)), *(level(by, value) for value in columns.values())] for arm, by in arms.items()]
    return table(["arm", "seeds", *columns], rows)


def differences_table(arms: Arms, base: Mapping[int, Unit], columns: Mapping[str, Value]) -> str:
    """Paired differences to `base` of every figure that differs at all, and of best score to best score."""
    others = {arm: by_seed for arm, by_seed in arms.items() if by_seed is not base and arm != START_POINT}
    cells: dict[str, list[Interval]] = {}
    for name, value in columns.items():
        found = [paired(column(by_seed, value), column(base, value)) for by_seed in others.values()]
        if any(each.mean for each in found):
            cells[name] = found
    for kind in kinds(arms):
        for metric in ("auroc", "fpr95"):
            name = f"{kind}: best score, {metric.upper()}"
            cells[name] = [against_best(by_seed, base, kind, metric) for by_seed in others.values()]
    rows = [
        [
            plain(arm),
            str(len(by_seed.keys() & base.keys())),
            *(shown(found[i], signed=True) for found in cells.values()),
        ]
        for i, (arm, by_seed) in enumerate(others.items())
    ]
    return table(["arm", "pairs", *cells], rows)


def visibility_table(units: Units) -> str:
    """What the head and the density see of the outliers of every sampler before the first step."""
    seen: dict[str, dict[str, dict[int, Unit]]] = {}
    tasks = {section.split(",")[0]: None for section in units}
    for section, arms in units.items():
        for by_seed in arms.values():
            for seed, unit in by_seed.items():
                if unit["outlier_energy_auroc"]:  # the same at every depth, since all begin at the start point
                    seen.setdefault(unit["sampler"], {}).setdefault(section.split(",")[0], {})[seed] = unit
    rows = []
    for sampler, by_task in seen.items():
        cells = [
            shown(interval([100.0 * unit["outlier_energy_auroc"][by] for unit in by_task.get(task, {}).values()]))
            for task in tasks
            for by in ("energy", "mahalanobis")
        ]
        rows.append([sampler, *cells])
    return table(["sampler", *(f"{task}: {by}" for task in tasks for by in ("energy", "Mahalanobis"))], rows)


def gap_table(units: Units) -> str:
    """AUROC of the best distance less that of the energy: of the classifier's own, and with the initial encoder's."""
    rows = []
    for section, arms in units.items():
        for arm, by_seed in arms.items() if not section.startswith("clinc150") else ():
            cells = [
                shown(gap(by_seed, kind, among))
                for kind in kinds(arms)
                for among in (OWN_DISTANCES, (*OWN_DISTANCES, "pretrained"))
            ]
            rows.append([section, plain(arm), str(len(by_seed)), *cells, *["-"] * (4 - len(cells))])
    names = [
        f"{kind} OOD: {among}"
        for kind in ("first", "second")
        for among in ("own distances", "with the initial encoder's")
    ]
    return table(["task", "arm", "seeds", *names], rows)


def best_table(units: Units) -> str:
    """For every task and kind the arm whose best score gains most over that of cross-entropy, if any does.

    It was picked among several, so a second interval is wider by Bonferroni's rule over the arms compared. Arms with
    fewer seeds than cross-entropy do not take part.
    """
    rows = []
    for section, arms in units.items():
        base, start = arms.get(BASELINE, {}), start_points(units, section)
        rivals = [arm for arm in arms if arm not in (BASELINE, START_POINT) and arms[arm].keys() >= base.keys()]
        for kind in kinds(arms) if base and rivals else []:
            gains = {arm: against_best(arms[arm], base, kind, "auroc").mean for arm in rivals}
            arm = max(rivals, key=gains.__getitem__)
            if gains[arm] <= 0.0:
                rows.append([section, kind, "none", *["-"] * 6])
                continue
            scores = f"{best_score(arms[arm], kind)} against {best_score(base, kind)}"
            wider = against_best(arms[arm], base, kind, "auroc", 1.0 - 0.05 / len(rivals))
            cells = [against_best(arms[arm], base, kind, metric) for metric in ("auroc", "fpr95")]
            cells += [wider] + [against_best(arms[arm], start, kind, metric) for metric in ("auroc", "fpr95")]
            rows.append([section, kind, plain(arm), scores, *(shown(cell, signed=True) for cell in cells)])
    head = ["task", "OOD", "best arm", "scores", "AUROC", "FPR95", "AUROC, Bonferroni"]
    return table([*head, "AUROC to the start point", "FPR95 to the start point"], rows)


def contrast_table(units: Units, depths: Sequence[str] = tuple(DEPTHS.values())) -> str:
    """What the outliers add: the hinge with them less the hinge on texts alone at the same weight, paired by seed."""
    rows = []
    for section, arms in units.items():
        for arm, by_seed in arms.items():
            loss, weight = next((u["loss"], u["weight"]) for u in by_seed.values())
            control = next((a for a in arms if a.endswith(f"+ hinge, texts alone x {weight:g}")), None)
            if loss not in ("hinge", "hinge and flattening") or control is None or section.split(", ")[1] not in depths:
                continue
            for kind in kinds(arms):
                readings = [boundary("accuracy"), boundary("ece")]
                readings += [ood(kind, score) for score in TRAINED]
                pairs = [paired(column(by_seed, r), column(arms[control], r)) for r in readings]
                cells = [shown(pair, signed=True) for pair in pairs]
                rows.append([section, kind, arm, str(pairs[0].n), *cells])
    return table(["task", "OOD", "arm", "pairs", "accuracy", "ECE", *(f"AUROC {score}" for score in TRAINED)], rows)


def boundary_columns(arms: Arms) -> dict[str, Value]:
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


def main_tables(units: Units) -> str:
    """What the conclusions rest on."""
    tasks = dict.fromkeys(section.split(",")[0] for section in units if start_points(units, section))
    parts = []
    for task in tasks:
        parts += [f"### {task}: the arms that matter", summary_table(units, task)]
    parts += ["### The best arm of each kind, best score against best score", best_table(units)]
    parts += ["### What outliers add to the hinge", contrast_table(units, [DEPTHS["encoder"]])]
    return "\n\n".join(parts)


def further_tables(units: Units) -> str:
    """Every figure of every arm, all in percent."""
    parts = [
        "# Results: every table",
        "Written by `python benchmarks/ablation.py --report docs/RESULTS.md`; what the words mean stands there.",
    ]
    parts += ["## Visibility at step 0", visibility_table(units)]
    parts += ["## What outliers add to the hinge", contrast_table(units)]
    parts += ["## Two classes: AUROC of the best distance score less that of the energy", gap_table(units)]
    for section, arms in units.items():
        quality = boundary_columns(arms)
        columns = dict(quality)
        for kind in kinds(arms):
            columns |= {f"{kind}: AUROC {score}": ood(kind, score) for score in SCORES}
            columns[f"{kind}: FPR95 energy"] = ood(kind, "energy", "fpr95")
        parts.append(f"## {section}")
        if BASELINE in arms:
            parts += ["### Paired differences to cross-entropy", differences_table(arms, arms[BASELINE], columns)]
        if not section.endswith(DEPTHS["start"]) and start_points(units, section):
            base = start_points(units, section)
            parts += ["### Paired differences to the start point", differences_table(arms, base, columns)]
        parts += ["### Levels", levels_table(arms, quality)]
        for kind in kinds(arms):
            aurocs = {f"{kind}: AUROC {score}": ood(kind, score) for score in (*SCORES, "own")}
            rates = {f"{kind}: FPR95 {score}": ood(kind, score, "fpr95") for score in SCORES}
            other = {f"{kind}: ID rejected at 95 % of OOD, {s}": ood(kind, s, "fpr95_ood") for s in ("energy", "sum")}
            parts += [levels_table(arms, aurocs), levels_table(arms, rates | other)]
    return "\n\n".join(parts) + "\n"


def write_report(units: Units, path: Path) -> None:
    """Put the main tables between the two marks of the file, what stands around them stays; all others beside it."""
    text = path.read_text("utf-8") if path.exists() else f"# Results\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    path.write_text(f"{before}{MARKS[0]}\n\n{main_tables(units)}\n\n{MARKS[1]}{after}", "utf-8")
    path.with_name(EVERYTHING).write_text(further_tables(units), "utf-8")
