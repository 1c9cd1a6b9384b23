"""Tables of the comparison of acquisition strategies: `python -m benchmarks.selection.page [--units FOLDER ...]`.

With `--units`, output folders of `python -m benchmarks.selection` and of its `finetuned` and `scaling`, the figures of
finished units are first written to docs/results_selection.json; a later folder replaces strategies of an earlier one,
and any folder replaces stored ones. The page, docs/results_selection.md, is generated from that file alone. The last
line is one JSON object, in the same form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._common import ROOT, finish, page_command_line
from benchmarks.intervals import Interval
from benchmarks.selection.arms import VARIANTS
from benchmarks.selection.features import ENCODERS, FINETUNED
from benchmarks.selection.results import OURS, Figures, collect, difference, differences, holm, mean
from benchmarks.selection.sets import SETS
from vos.storage.json_files import read_json

KEPT = ROOT / "docs/results_selection.json"
PAGE = ROOT / "docs/results_selection.md"
SCALING = "scaling"
"""Where seconds and memory stand in the kept file, and the name of their file in an output folder."""

Kept = dict[str, dict[str, Mapping[str, Sequence[float]]]]
"""Figures by "SET/ENCODER" and strategy."""

LOWER = {"error": "error", "area": "error, mean of the rounds", "error_levels_2_3": "error, levels 2 and 3"}
HIGHER = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "recall_at_fpr05": "recall at 5 % false positives",
}
METRICS = {**LOWER, **HIGHER, "mistakes": "mistakes in a batch"}

HEAD = """# Which texts to label: coverage compared with other strategies

This page compares boundary coverage with random choice and published strategies, over rounds of labels with a declared
oracle ([which texts to label](selection.md)). All strategies start from the same labels and see the same frozen
features and the same logistic regression. The error is measured on test texts after the last round.

How to read the tables:

- Differences are to random choice, in points, paired by seed, with 95 % t-intervals; bold where the interval is free
  of 0.
- *p* is that of coverage against the strategy, Holm-corrected over the strategies of the table.
- *Mistakes*: share of the labels asked for that the classifier of that round would have got wrong.
- *finetuned*: the bundled encoder, trained anew on all labels in every round.
- *small_text_...*: of the library small-text 2.0.0.dev4.
- Other strategies in italics are variants of coverage (`benchmarks/selection/arms.py`).

The page is written by `python -m benchmarks.selection.page` from [kept figures](results_selection.json):

    VOS_DATA=FOLDER VOS_MPNET=FOLDER VOS_SMALL_TEXT=PYTHON python -m benchmarks.selection --output OUT
    VOS_DATA=FOLDER python -m benchmarks.selection.finetuned --output OUT
    python -m benchmarks.selection.scaling --output OUT
    python -m benchmarks.selection.page --units OUT
"""


def main() -> None:
    """Keep the figures where a folder is named; write the page; print the JSON line."""
    options = page_command_line(__doc__, KEPT, PAGE).parse_args()
    if options.units:
        before = read_json(options.kept) if options.kept.exists() else {}
        options.kept.write_text(dumped(kept(options.units, before)), "utf-8")
    figures = read_json(options.kept)
    options.page.write_text(page(figures), "utf-8")
    finish(differences({task: some for task, some in figures.items() if task != SCALING}))


def kept(folders: Sequence[Path], before: Kept) -> Kept:
    """Figures of the finished units of all folders, and of the strategies kept before that no folder has."""
    found = {task: dict(by_arm) for task, by_arm in before.items()}
    for folder in folders:
        for task, by_arm in collect(folder, SETS, (*ENCODERS, FINETUNED)).items():
            found.setdefault(task, {}).update(by_arm)
        if (folder / f"{SCALING}.json").exists():
            found[SCALING] = read_json(folder / f"{SCALING}.json")
    return found


def dumped(figures: Kept) -> str:
    """The kept file: a line for each strategy."""
    parts = []
    for task, by_arm in sorted(figures.items()):
        lines = [
            f" {json.dumps(arm, allow_nan=False)}: {json.dumps(some, allow_nan=False)}"
            for arm, some in sorted(by_arm.items())
        ]
        parts.append(f"{json.dumps(task, allow_nan=False)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def page(figures: Mapping[str, Figures]) -> str:
    """The whole page."""
    tasks = [section(task, some) for task, some in figures.items() if OURS in some and task != SCALING]
    scaling = [costs(figures[SCALING])] if SCALING in figures else []
    return "\n".join([HEAD, *tasks, *scaling])


def measured(figures: Figures) -> list[str]:
    """Metrics that every strategy has."""
    return [metric for metric in METRICS if all(metric in some for some in figures.values())]


def costs(rows: Mapping[str, Sequence[float] | None]) -> str:
    """Table of seconds and memory, by strategy and size of the pool."""
    names, sizes = ({name.split("/")[i]: None for name in rows} for i in (0, 1))
    sizes = sorted(sizes, key=int)
    lines = [
        "\n## What a choice of 100 texts costs\n",
        "Seconds of one processor and peak memory, the pool of d = 384 itself included. *Stopped*: at ten minutes or "
        "8 GB. Empty: not run.\n",
        f"| strategy | {' | '.join(f'{int(size):,} texts' for size in sizes)} |",
        "|---|" + "---|" * len(sizes),
    ]
    for name in names:
        found = [rows.get(f"{name}/{size}", ()) for size in sizes]
        cells = [f"{each[0]:.1f} s, {each[1] / 1024:.1f} GB" if each else ("stopped" if each is None else "")
                 for each in found]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def section(name: str, figures: Figures) -> str:
    """Heading and table of a set under an encoder: what random choice has, and the difference of each to it."""
    seeds = {arm: len(some["seed"]) for arm, some in figures.items()}
    few = [arm for arm, n in seeds.items() if 2 * n < seeds["random"]]
    figures = {arm: some for arm, some in figures.items() if arm not in few}
    metrics = measured(figures)
    others = [arm for arm in figures if arm not in (OURS, *VARIANTS)]
    p = holm(figures, others, "error")
    fewer = "".join(f", {arm} {seeds[arm]}" for arm in figures if seeds[arm] != seeds["random"])
    left_out = f"; left out as they have few seeds: {', '.join(few)}" if few else ""
    labels = [int(figures["random"][which][0]) for which in ("start", "labels")]
    at_random = [f"{100 * mean(figures, 'random', m).mean:.1f}" for m in metrics]
    lines = [
        f"\n## {name.replace('/', ', ')}\n",
        f"{labels[0]} labels at the start, {labels[1]} at the end, {seeds['random']} seeds{fewer}{left_out}.\n",
        f"| strategy | {' | '.join(METRICS[m] for m in metrics)} | *p* |",
        "|---|" + "---|" * (len(metrics) + 1),
        f"| random | {' | '.join(at_random)} | {p['random']:.3f} |",
    ]
    for arm in sorted(figures, key=lambda a: (a != OURS, a in VARIANTS, mean(figures, a, "error").mean)):
        if arm == "random":
            continue
        cells = [_cell(difference(figures, arm, "random", m)) for m in metrics]
        label = f"{'**' * (arm == OURS)}{'*' * (arm in VARIANTS)}"
        label = f"{label}{arm}{label}"
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {f'{p[arm]:.3f}' if arm in p else ''} |")
    return "\n".join(lines) + "\n"


def _cell(gap: Interval) -> str:
    text = f"{100 * gap.mean:+.1f} ± {100 * gap.half:.1f}" if gap.n > 1 else f"{100 * gap.mean:+.1f}"
    return f"**{text}**" if gap.free_of_zero else text


if __name__ == "__main__":
    main()
