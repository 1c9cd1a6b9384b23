"""The result pages, generated from the stored tables: `python -m benchmarks.ablation.report [--units FOLDER]`.

The main results are written to `docs/RESULTS.md` between two marks, the rest of that page is unchanged; everything else
is written to `docs/results_tables.md`. With `--units`, the output folder of `python -m benchmarks.ablation`, the tables
of the finished units are first computed and stored as `docs/results/TASK/DEPTH.json`. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._common import ROOT, finish
from benchmarks.ablation.arms import ARMS
from benchmarks.ablation.figures import BASELINE, DEPTHS, SCORES, START_POINT, TRAINED, read_units
from benchmarks.ablation.results import Cell, Results, Table, read_results, sections, write_results
from benchmarks.ablation.tables import QUALITY, all_tables, plain

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


def shown(cell: Cell, signed: bool = False) -> str:
    """`mean ± half`, a signed one in bold where its interval is free of zero; words and counts as they are."""
    if cell is None:
        return "-"
    if not isinstance(cell, list):
        return str(cell)
    mean, *rest = cell
    text = f"{mean:+.2f}" if signed else f"{mean:.2f}"
    text += f" ± {rest[0]:.2f}" if rest else ""
    return f"**{text}**" if signed and len(rest) == 2 else text


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def whole(table: Table, signed: bool = False) -> str:
    """A table as it is kept."""
    return markdown(table.columns, [[shown(cell, signed) for cell in row] for row in table.rows])


def kinds(table: Table) -> list[str]:
    """Kinds of OOD texts that a table of levels has columns for."""
    return list(dict.fromkeys(name.split(": ")[0] for name in table.columns if ": " in name))


def best_score(record: Mapping[str, Cell], kind: str, among: Sequence[str]) -> str:
    """The score with the highest mean AUROC of an arm, among those that are known."""
    cells = {score: record[f"{kind}: AUROC {score}"] for score in among}
    means = {score: cell[0] for score, cell in cells.items() if isinstance(cell, list)}
    return max(means, key=means.__getitem__)


def summary_table(results: Results, task: str) -> str:
    """The arms that matter, of one task: accuracy, calibration, energy and the best score of the trained classifier."""
    levels = {depth: results[task, depth]["levels"] for depth in DEPTHS if (task, depth) in results}
    arms = {(depth, record["arm"]): record for depth, table in levels.items() for record in table.records()}
    found = [(depth, arms[depth, plain(arm)]) for depth, arm in SUMMARY if (depth, plain(arm)) in arms]
    columns = kinds(levels["head"])
    rows = []
    for depth, record in found:
        row = [record["arm"], DEPTHS[depth], record["seeds"], record.get("accuracy"), record.get("ECE")]
        cells = [shown(cell) for cell in row]
        for kind in columns:
            best, lowest = (best_score(record, kind, among) for among in (TRAINED, SCORES))
            cells.append(shown(record[f"{kind}: AUROC energy"]))
            cells.append(f"{shown(record[f'{kind}: AUROC {best}'])} ({best})")
            cells.append(shown(record[f"{kind}: FPR95 {lowest}"]))
        rows.append(cells)
    whats = ("energy", "best of its own scores", "best FPR95 of all")
    names = [f"{kind}: {what}" for kind in columns for what in whats]
    initial = " and ".join(f"{kind} {shown(found[0][1][f'{kind}: AUROC pretrained'])}" for kind in columns)
    foot = f"AUROC by the nearest training text in the initial encoder alone: {initial}."
    return markdown(["arm", "trained", "seeds", "accuracy", "ECE", *names], rows) + f"\n\n{foot}"


def joined(results: Results, name: str, depths: Sequence[str] = tuple(DEPTHS.values())) -> str:
    """The tables of a name of all tasks, one below the other."""
    rows, head = [], []
    for task, depth, tables in sections(results):
        if name in tables and depth in depths:
            head = tables[name].columns
            rows += [[f"{task}, {depth}", *(shown(cell, signed=True) for cell in row)] for row in tables[name].rows]
    return markdown(["task", *head], rows)


def gap_table(results: Results) -> str:
    """AUROC of the best distance less that of the energy, for tasks with one kind of OOD texts or two."""
    rows = [
        [f"{task}, {depth}", *(shown(cell) for cell in row), *["-"] * (6 - len(row))]
        for task, depth, tables in sections(results)
        if "distance less energy" in tables
        for row in tables["distance less energy"].rows
    ]
    among = ("own distances", "with the initial encoder's")
    names = [f"{kind} OOD: {each}" for kind in ("first", "second") for each in among]
    return markdown(["task", "arm", "seeds", *names], rows)


def outliers_table(results: Results) -> str:
    """What the head and the density see of the outliers of every sampler before the first step."""
    tasks = {task: tables["step 0"] for (task, depth), tables in results.items() if depth == "outliers"}
    seen = {task: {record["sampler"]: record for record in table.records()} for task, table in tasks.items()}
    measures = ("energy", "Mahalanobis")
    rows = [
        [str(sampler), *(shown(seen[task].get(sampler, {}).get(by)) for task in seen for by in measures)]
        for sampler in dict.fromkeys(sampler for by_sampler in seen.values() for sampler in by_sampler)
    ]
    return markdown(["sampler", *(f"{task}: {by}" for task in seen for by in measures)], rows)


def level_tables(table: Table) -> list[str]:
    """The levels in parts: the boundary, and for every kind of OOD texts AUROC and rates."""
    parts = [[name for name in table.columns if name in QUALITY]]
    for kind in kinds(table):
        own = [name for name in table.columns if name.startswith(f"{kind}: ")]
        aurocs = [name for name in own if name.startswith(f"{kind}: AUROC ")]
        parts += [aurocs, [name for name in own if name not in aurocs]]
    heads = [["arm", "seeds", *part] for part in parts]
    return [markdown(head, [[shown(row[name]) for name in head] for row in table.records()]) for head in heads]


def main_tables(results: Results) -> str:
    """What the conclusions rest on."""
    heads = {task: tables["levels"] for (task, depth), tables in results.items() if depth == "head"}
    tasks = [task for task, levels in heads.items() if START_POINT in levels.column("arm")]
    parts = []
    for task in tasks:
        parts += [f"### {task}: the arms that matter", summary_table(results, task)]
    parts += ["### The best arm of each kind, best score against best score", joined(results, "best arms")]
    parts += ["### What outliers add to the hinge", joined(results, "outliers in the hinge", [DEPTHS["encoder"]])]
    return "\n\n".join(parts)


def further_tables(results: Results) -> str:
    """Every figure of every arm, all in percent."""
    parts = [
        "# Results: every table",
        "Every figure of every arm of the ablation. [RESULTS.md](RESULTS.md#words) explains the words. The page is "
        "written by `python -m benchmarks.ablation.report` from [results/](results/).",
    ]
    parts += ["## AUROC of test texts against outliers at step 0", outliers_table(results)]
    parts += ["## What outliers add to the hinge", joined(results, "outliers in the hinge")]
    parts += ["## Two classes: AUROC of the best distance score less that of the energy", gap_table(results)]
    for task, depth, tables in sections(results):
        parts.append(f"## {task}, {depth}")
        for base in (BASELINE, START_POINT):
            if f"against {base}" in tables:
                title = f"### Paired differences to {'the ' if base == START_POINT else ''}{base}"
                parts += [title, whole(tables[f"against {base}"], signed=True)]
        parts += ["### Levels", *level_tables(tables["levels"])]
    return "\n\n".join(parts) + "\n"


def pages(results: Results, text: str) -> tuple[str, str]:
    """The first page, given what it says now, and the page of every table."""
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return f"{before}{MARKS[0]}\n\n{main_tables(results)}\n\n{MARKS[1]}{after}", further_tables(results)


def main() -> None:
    """Make the tables if units are given, write the pages, print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=Path, help="output folder of python -m benchmarks.ablation")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of RESULTS.md and results/")
    options = parser.parse_args()
    folder = options.docs / "results"
    if options.units is not None:
        write_results(all_tables(read_units(options.units, [arm.name for arm in ARMS])), folder)
    results = read_results(folder)
    page = options.docs / "RESULTS.md"
    text = page.read_text("utf-8") if page.exists() else f"# Results\n\n{MARKS[0]}\n{MARKS[1]}\n"
    first, everything = pages(results, text)
    page.write_text(first, "utf-8")
    page.with_name(EVERYTHING).write_text(everything, "utf-8")
    tables = [table for by_name in results.values() for table in by_name.values()]
    finish({"tables": len(tables), "rows": sum(len(table.rows) for table in tables)})


if __name__ == "__main__":
    main()
