"""The page of the refinement benchmark: `python -m benchmarks.ablation.refinement_page [--units FOLDER ...]`.

With `--units`, output folders of `python -m benchmarks.ablation.refinement`, the figures of finished units are first
written to `docs/results_refinement.json`. The page, `docs/results_refinement.md`, is generated from that file alone.
The last line is one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._common import ROOT, finish, page_command_line
from benchmarks.intervals import Interval, interval

KEPT = ROOT / "docs/results_refinement.json"
PAGE = ROOT / "docs/results_refinement.md"
METRICS = ("val/brier", "test/brier", "test/accuracy", "test/ece")

Rounds = Sequence[Mapping[str, float]]
"""The metrics of each round of one run, by the names of `METRICS`."""

Figures = dict[str, dict[str, dict[str, dict[str, Rounds]]]]
"""Rounds by task, depth, arm and seed."""


def collect(folder: Path) -> Figures:
    """The figures of every unit that is finished."""
    found: Figures = {}
    for path in sorted((folder / "units").glob("*/*/*/*.json")):
        task, depth, seed, arm = *path.parts[-4:-1], path.stem
        rounds = json.loads(path.read_text("utf-8"))["rounds"]
        rows = [{name: round(each[f"boundary/{name}"], 4) for name in METRICS} for each in rounds]
        found.setdefault(task, {}).setdefault(depth, {}).setdefault(arm, {})[seed] = rows
    return found


def chosen(rounds: Rounds) -> int:
    """The round that a run ends with: the lowest Brier score of the validation texts, of equal ones the earlier."""
    return min(range(len(rounds)), key=lambda i: rounds[i]["val/brier"])


def row(arm: str, by_seed: Mapping[str, Rounds]) -> str:
    """One line of a table."""
    better = sum(chosen(rounds) > 0 for rounds in by_seed.values())
    cells = [arm, f"{better} of {len(by_seed)}"]
    cells.append(_mean([rounds[0]["val/brier"] for rounds in by_seed.values()]))
    cells += [_mean([rounds[i]["val/brier"] for rounds in by_seed.values()]) for i in (1, -1)]
    cells += [
        _change(interval([rounds[chosen(rounds)][name] - rounds[0][name] for rounds in by_seed.values()]))
        for name in METRICS
    ]
    return f"| {' | '.join(cells)} |"


def page(figures: Figures) -> str:
    """The whole page."""
    head = [
        "# Does refinement beat the classifier that it starts from?",
        "",
        "This page compares refinement with virtual outliers with further training without them. What follows from it",
        "is [finding 12](RESULTS.md#12-refinement-repairs-probabilities-near-the-boundary) of the results.",
        "`python -m benchmarks.ablation.refinement` measures it, and says what the arms are.",
        "",
        "- The columns are Brier scores where they name nothing else.",
        "- The *kept* round has the lowest Brier score of the validation texts.",
        "- The columns *kept* give changes from round 0 to the kept round: mean over seeds and 95 % t-interval, bold",
        "  where free of 0.",
        "",
        "The page is written by `python -m benchmarks.ablation.refinement_page` from",
        "[kept figures](results_refinement.json).",
    ]
    for task, by_depth in figures.items():
        for depth, arms in by_depth.items():
            head += ["", f"## {task}, {depth}", "", _HEADER, f"|{'---|' * _HEADER.count(' | ')}---|"]
            head += [row(arm, by_seed) for arm, by_seed in arms.items()]
    return "\n".join(head) + "\n"


_HEADER = (
    "| arm | seeds with a round better than round 0 | val, round 0 | val, round 1 | val, last round "
    "| val, kept | test, kept | test accuracy, kept | test ECE, kept |"
)


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.4f}"


def _change(found: Interval) -> str:
    text = f"{found.mean:+.4f}" + (f" ± {found.half:.4f}" if found.n > 1 else "")
    return f"**{text}**" if found.free_of_zero else text


def dumped(figures: Figures) -> str:
    """The kept file."""
    return json.dumps(figures, indent=1, sort_keys=True, allow_nan=False) + "\n"


def main() -> None:
    """Keep the figures where a folder is named; write the page."""
    options = page_command_line(__doc__, KEPT, PAGE).parse_args()
    if options.units:
        figures: Figures = {}
        for folder in options.units:
            for task, by_depth in collect(folder).items():
                for depth, arms in by_depth.items():
                    figures.setdefault(task, {}).setdefault(depth, {}).update(arms)
        options.kept.write_text(dumped(figures), "utf-8")
    figures = json.loads(options.kept.read_text("utf-8"))
    options.page.write_text(page(figures), "utf-8")
    units = sum(
        len(by_seed) for by_depth in figures.values() for arms in by_depth.values() for by_seed in arms.values()
    )
    finish({"units": units})


if __name__ == "__main__":
    main()
