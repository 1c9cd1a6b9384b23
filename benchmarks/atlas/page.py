"""Tables of the checks of the atlas: `python -m benchmarks.atlas.page [--figures FOLDER ...]`.

With `--figures`, output folders of `python -m benchmarks.atlas`, their figures are first written to
docs/results_atlas.json; a later folder replaces the classifiers of an earlier one. The page, docs/results_atlas.md, is
generated from that file alone. The last line is one JSON object, the same as that of `python -m benchmarks.atlas`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._common import ROOT, finish, page_command_line
from benchmarks.atlas.__main__ import FIGURES
from benchmarks.atlas.results import Task, flat
from vos.storage.json_files import read_json, write_json

KEPT = ROOT / "docs/results_atlas.json"
PAGE = ROOT / "docs/results_atlas.md"

HEAD = """# The checks of the atlas, model by model

This page lists every check of the [atlas](atlas.md) on several classifiers. A view of the atlas may be believed where
its check passes.

- A cell has the number found, **bold** where the check passed. Behind the slash is that of an encoder of random
  weights, where it was measured.
- A check that tests the *method* may pass on random weights too; one that tests the *model* must not.
- Checks were chosen on the demo's classifier and on one of ToxiGen; `demo_seed_1` and `davidson` were not looked at
  for it.

The page is written by `python -m benchmarks.atlas.page` from [kept figures](results_atlas.json):

    VOS_DATA=FOLDER python -m benchmarks.atlas --output OUT
    python -m benchmarks.atlas.page --figures OUT
"""


def main() -> None:
    """Keep the figures where a folder is named; write the page; print the JSON line."""
    options = page_command_line(__doc__, KEPT, PAGE, "--figures").parse_args()
    if options.figures:
        write_json(options.kept, together(options.figures))
    figures = read_json(options.kept)
    options.page.write_text(page(figures), "utf-8")
    finish(flat(figures["tasks"]))


def together(folders: Iterable[Path]) -> dict[str, Any]:
    """Figures of all folders; a later one replaces classifiers of an earlier one."""
    found: dict[str, Any] = {"machine": "", "tasks": {}}
    for folder in folders:
        own = read_json(folder / FIGURES)
        found["machine"] = own["machine"]
        found["tasks"] |= own["tasks"]
    return found


def page(figures: Mapping[str, Any]) -> str:
    """The whole page."""
    tasks: Mapping[str, Task] = figures["tasks"]
    return "\n".join([HEAD, *_checks(tasks), "", *_controls(tasks), "", *_times(tasks, figures["machine"])]) + "\n"


def _checks(tasks: Mapping[str, Task]) -> list[str]:
    """A row for every check, a column for every classifier."""
    checks = dict.fromkeys(check for task in tasks.values() for check in task["checks"])
    rows = []
    for check in checks:
        known = [task["checks"][check] for task in tasks.values() if check in task["checks"]]
        cells = [_cell(task["checks"].get(check)) for task in tasks.values()]
        rows.append([check.replace("|", "\\|"), known[0]["tests"], _number(known[0]["threshold"]), *cells])
    return ["## Checks\n", *_table(["check", "tests", "threshold", *tasks], rows)]


def _controls(tasks: Mapping[str, Task]) -> list[str]:
    """What each classifier and its control get right, and views that could not be made."""
    rows = []
    for name, task in tasks.items():
        control = task["control"] or {}
        dropped = "; ".join(f"{view}: {reason}" for view, reason in task["dropped"].items()) or "none"
        counts = [str(task["n_texts"]), str(task["n_near"]), str(control.get("n_texts", ""))]
        right = [_number(control.get(key)) for key in ("model_accuracy", "accuracy")]
        rows.append([name, *counts, *right, dropped.replace("|", "\\|")])
    names = ["classifier", "texts", "near", "texts of the control", "accuracy", "of the control", "views left out"]
    return ["## Classifiers\n", *_table(names, rows)]


def _times(tasks: Mapping[str, Task], machine: str) -> list[str]:
    """Seconds of every producer."""
    producers = dict.fromkeys(name for task in tasks.values() for name in task["times"])
    rows = [[name, *(_number(task["times"].get(name)) for task in tasks.values())] for name in producers]
    rows.append(["all", *(_number(sum(s or 0 for s in task["times"].values())) for task in tasks.values())])
    rows.append(["peak memory, MiB", *(str(task["peak_memory_mib"] or "") for task in tasks.values())])
    return [f"## Seconds\n\nOn {machine}.\n", *_table(["producer", *tasks], rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---|" + "---|" * (len(head) - 1), *lines]


def _cell(check: Mapping[str, Any] | None) -> str:
    if check is None:
        return ""
    control = "" if check["control"] is None else f" / {_number(check['control'])}"
    value = _number(check["value"]) or "not measured"
    return f"**{value}**{control}" if check["passed"] else f"{value}{control}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
