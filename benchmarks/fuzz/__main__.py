"""Hostile files against naive reference readers: `python -m benchmarks.fuzz [--quick]`.

Every row of every file is loaded as the reference reads it, or named as rejected with its line; a file that cannot be
read is refused in one line that names it. 10,000 files of each format, drawn by hypothesis from a corpus of nasty
values; blocks that are finished are not done again. A file that shows a difference is kept under OUTPUT/differences.
The last line is one JSON object of counts; the exit code is 1 where there is a difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks._common import command_line, finish, output_folder, without_warnings
from benchmarks.fuzz import answers, label_studio, parquet, runs, tables
from benchmarks.fuzz.campaign import Check, run_format
from vos.storage.json_files import write_json

FORMATS: dict[str, tuple[Callable[[], st.SearchStrategy[Any]], Check]] = {
    "csv": (partial(tables.delimited, ","), tables.check),
    "tsv": (partial(tables.delimited, "\t"), tables.check),
    "jsonl": (partial(tables.json_files, ".jsonl"), tables.check),
    "json": (partial(tables.json_files, ".json"), tables.check),
    "parquet": (parquet.files, parquet.check),
    "answers": (answers.files, answers.check),
    "label_studio": (label_studio.exports, label_studio.check),
    "runs": (runs.edited, runs.check),
}

FEWER_RUNS = 20
"""A folder of a run takes a second, a file some milliseconds: one folder for so many files."""


@without_warnings()
def main() -> None:
    """Check all formats, print a line for each, write the figures, print the JSON line."""
    options = _options()
    out = output_folder(options, "fuzz")
    n = options.files or (60 if options.quick else 10_000)
    sizes = {name: max(2, n // FEWER_RUNS) if name == "runs" else n for name in options.formats}
    figures: dict[str, Any] = {"seed": options.seed}
    wrong = 0
    for name in options.formats:
        strategy, check = FORMATS[name]
        counts = run_format(name, strategy(), check, sizes[name], options.seed, out)
        wrong += len(counts.differences)
        told = {key: value for key, value in vars(counts).items() if key != "differences"}
        figures |= {f"{name}/{key}": value for key, value in told.items()}
        figures[f"{name}/differences"] = len(counts.differences)
        print(name, told, f"differences: {len(counts.differences)}")
        for each in sorted(set(counts.differences))[:10]:
            print("   ", each)
    figures["differences"] = wrong
    write_json(out / "figures.json", figures)
    finish(figures)
    raise SystemExit(1 if wrong else 0)


def _options() -> argparse.Namespace:
    parser = command_line(__doc__, "60 files of each format")
    parser.add_argument("--files", type=int, help="of each format, default 10,000")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="default outputs/benchmarks/fuzz")
    return parser.parse_args()


if __name__ == "__main__":
    main()
