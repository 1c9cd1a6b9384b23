"""All checks of the atlas on four classifiers: `python -m benchmarks.atlas [--quick]`.

The checks and settings were chosen on two classifiers, that of the demo and one trained on ToxiGen. Here they are
measured on these, on another seed of the demo, and on one trained on Davidson (hate and offensive against neither),
each compared with an encoder of random weights. Each classifier is trained once and stored with its atlas in the output
folder, so that the same command resumes an interrupted run. ToxiGen and Davidson are read from the folder in VOS_DATA;
without it they are skipped. `python -m benchmarks.atlas.page` writes the tables. The last line is one JSON object: for
every check its value and that of the control, how many checks passed of how many, and seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from benchmarks._common import command_line, finish, machine, output_folder
from benchmarks.atlas.results import flat, task_figures
from benchmarks.atlas.runs import EMBEDDED, TASKS, make
from vos.storage.json_files import write_json

FIGURES = "figures.json"
"""In the output folder: what the page is written from."""


def main() -> None:
    """Train and explain what is missing, keep the figures, print the JSON line."""
    parser = command_line(__doc__, quick="the demo's texts under a frozen encoder, 200 texts in the atlas: minutes")
    parser.add_argument("--tasks", nargs="+", choices=TASKS)
    parser.add_argument("--atlas", nargs="+", default=[], help="further overrides of the atlas, such as n_texts=1000")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = output_folder(options, "atlas").resolve()
    public = os.environ.get("VOS_DATA")
    tasks = options.tasks or (("demo",) if options.quick else TASKS if public else tuple(EMBEDDED))
    if not public and (left := [task for task in tasks if task not in EMBEDDED]):
        print(f"left out, since the variable VOS_DATA is not set: {', '.join(left)}", file=sys.stderr)
        tasks = tuple(task for task in tasks if task in EMBEDDED)
    found = {task: task_figures(make(task, folder, options.quick, options.atlas)) for task in tasks}
    write_json(folder / FIGURES, {"machine": machine(), "tasks": found})
    finish(flat(found) | {"machine": machine()})


if __name__ == "__main__":
    main()
