"""Tables of the comparison of choices: `python -m benchmarks.selection.page`.

Reads the units that `python -m benchmarks.selection` has written; writes docs/results_selection.md and .json.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks._common import ROOT, command_line, finish, output_folder
from benchmarks.intervals import Interval
from benchmarks.selection.arms import VARIANTS
from benchmarks.selection.features import ENCODERS
from benchmarks.selection.results import OURS, Curves, collect, difference, differences, holm, mean
from benchmarks.selection.sets import SETS
from vos.storage.atomic import write_atomically
from vos.storage.json_files import write_json

PAGE = ROOT / "docs/results_selection"

LOWER = {"error": "error", "area": "error, mean of the rounds", "error_levels_2_3": "error, levels 2 and 3"}
HIGHER = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "recall_at_fpr05": "recall at 5 % false positives",
}
METRICS = {**LOWER, **HIGHER, "mistakes": "mistakes in a batch"}

HEAD = """# Which texts to label: ours beside its peers

<!-- Written by `python -m benchmarks.selection.page`. -->

Rounds of labels with a declared oracle. All strategies start from the same labels and see the same frozen features and
the same logistic regression; what is measured is the error on test texts after the last round. Differences are to
random choice, in points, paired by seed, with 95 % t-intervals; bold where the interval is free of 0. *p* is that of
coverage against the strategy, Holm-corrected over the strategies of the table. *Mistakes*: share of the labels asked
for that the classifier of the moment would have got wrong.

    VOS_DATA=FOLDER VOS_MPNET=FOLDER python -m benchmarks.selection
    python -m benchmarks.selection.page
"""


def main() -> None:
    """Write both files; print the JSON line."""
    parser = command_line(__doc__, quick="the units of --quick")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--page", type=Path, default=PAGE, help="the two files, without their endings")
    options = parser.parse_args()
    found = collect(output_folder(options, "selection").resolve(), SETS, ENCODERS)
    parts = [HEAD, *(section(name, curves) for name, curves in found.items() if OURS in curves)]
    write_atomically(options.page.with_suffix(".md"), "\n".join(parts))
    figures = differences(found)
    write_json(options.page.with_suffix(".json"), {**figures, **{f"{k}/means": means(v) for k, v in found.items()}})
    finish(figures)


def means(curves: Curves) -> dict[str, dict[str, list[float]]]:
    """By arm and metric: mean, half-width, seeds."""
    result: dict[str, dict[str, list[float]]] = {}
    for arm in curves:
        for metric in measured(curves):
            each = mean(curves, arm, metric)
            result.setdefault(arm, {})[metric] = [round(each.mean, 5), round(each.half, 5), each.n]
    return result


def measured(curves: Curves) -> list[str]:
    """Metrics that every curve has."""
    last = [curve[-1] for by_seed in curves.values() for curve in by_seed.values()]
    return [m for m in METRICS if m == "area" or all(m in row for row in last)]


def section(name: str, curves: Curves) -> str:
    """Heading and table of a set under an encoder: what random choice has, and the difference of each to it."""
    metrics = measured(curves)
    others = [arm for arm in curves if arm not in (OURS, *VARIANTS)]
    p = holm(curves, others, "error")
    some = next(iter(curves["random"].values()))
    seeds = {arm: len(by_seed) for arm, by_seed in curves.items()}
    fewer = "".join(f", {arm} {n}" for arm, n in seeds.items() if n != seeds["random"])
    labels = [int(some[row]["labels"]) for row in (0, -1)]
    at_random = [f"{100 * mean(curves, 'random', m).mean:.1f}" for m in metrics]
    lines = [
        f"\n## {name.replace('/', ', ')}\n",
        f"{labels[0]} labels at the start, {labels[1]} at the end, {seeds['random']} seeds{fewer}.\n",
        f"| strategy | {' | '.join(METRICS[m] for m in metrics)} | *p* |",
        "|---|" + "---|" * (len(metrics) + 1),
        f"| random | {' | '.join(at_random)} | {p['random']:.3f} |",
    ]
    for arm in sorted(curves, key=lambda a: (a != OURS, a in VARIANTS, mean(curves, a, "error").mean)):
        if arm == "random":
            continue
        cells = [_cell(difference(curves, arm, "random", m)) for m in metrics]
        label = f"{'**' * (arm == OURS)}{'*' * (arm in VARIANTS)}"
        label = f"{label}{arm}{label}"
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {f'{p[arm]:.3f}' if arm in p else ''} |")
    return "\n".join(lines) + "\n"


def _cell(gap: Interval) -> str:
    text = f"{100 * gap.mean:+.1f} ± {100 * gap.half:.1f}" if gap.n > 1 else f"{100 * gap.mean:+.1f}"
    return f"**{text}**" if gap.free_of_zero else text


if __name__ == "__main__":
    main()
