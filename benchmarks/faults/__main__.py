"""Fault injection, counted: `python -m benchmarks.faults [--quick|--full]`.

Programs are killed, disks filled, files damaged and clocks changed; then the same command is run again, and its result
is compared with that of an uninterrupted run. All times are drawn from the seed. Each unit is stored in its own file in
the output folder, so that the same command resumes an interrupted campaign. `--parts` selects some of the parts.
`python -m benchmarks.faults.page --units OUT` writes the counts into docs/reliability.md.

The last line is one JSON object: the units, and over all of them acknowledged answers that were lost, duplicated rows,
results that differ without a message, stack traces, processes that hung, and unexplained exits.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks._common import command_line, finish, machine, output_folder
from benchmarks.faults.programs import warm_up
from benchmarks.faults.results import NOTED, counted, total
from benchmarks.faults.template import make_template
from benchmarks.faults.units import PARTS, SIZES, Unit, planned
from vos.storage.json_files import read_json, write_json


def main() -> None:
    """Run what is missing, print a line for each part, and the JSON line."""
    parser = command_line(__doc__, quick="one unit of most kinds: under a minute")
    parser.add_argument("--full", action="store_true", help="50 instants of each program, and more of everything")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, help="units of this call at most")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    size = SIZES["quick" if options.quick else "full" if options.full else "normal"]
    folder = output_folder(options, "faults").resolve()
    warm_up()
    template = make_template(folder / "template")
    units = planned(options.parts, size, template, folder)
    began = time.monotonic()
    waiting = [unit for unit in units if not unit.file(folder).exists()]
    # In a drawn order: what is done by any time is a fair part of the whole.
    random.Random(options.seed).shuffle(waiting)  # noqa: S311 - an order
    for number, unit in enumerate(waiting[: options.most]):
        _do(unit, template, folder, options.seed)
        left = (time.monotonic() - began) / (number + 1) * (len(waiting) - number - 1)
        sys.stderr.write(f"{number + 1} of {len(waiting)}: {unit.name}; {left / 60:.0f} minutes to come\n")
    figures = counted(read_json(unit.file(folder)) for unit in units if unit.file(folder).exists())
    for part, counts in figures.items():
        print(f"{part:28} " + ", ".join(f"{counts[name]} {name}" for name in ("units", *NOTED)))
    finish({"parts": figures, **total(figures), "seed": options.seed, "machine": machine()})


def _do(unit: Unit, template: Path, folder: Path, seed: int) -> None:
    began = time.monotonic()
    found: dict[str, Any] = unit.run(template, folder / "place", seed)
    facts = {"group": unit.group, "unit": unit.name, "took": round(time.monotonic() - began, 2)}
    write_json(unit.file(folder), {**facts, **found})


if __name__ == "__main__":
    main()
