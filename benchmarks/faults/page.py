"""The reliability page: `python -m benchmarks.faults.page [--units FOLDER ...]`.

With `--units`, output folders of `python -m benchmarks.faults`, their counts are first written to
docs/reliability.json. The counts in docs/reliability.md, between two marks, are generated from that file alone. The
last line is one JSON object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks._common import ROOT, finish, machine, page_command_line
from benchmarks.faults.results import NOTED, counted, total
from benchmarks.faults.units import kept_units
from vos.storage.json_files import read_json, write_json

KEPT = ROOT / "docs/reliability.json"
PAGE = ROOT / "docs/reliability.md"

BEGIN, END = "<!-- counts: begin -->", "<!-- counts: end -->"

NAMES = {
    "units": "units",
    "events": "faults",
    "told": "ended with a line",
    "lost": "answers lost",
    "doubled": "rows doubled",
    "damaged": "there in part",
    "different": "silent differences",
    "tracebacks": "stack traces",
    "hung": "hung",
    "unexplained": "unexplained ends",
}


def main() -> None:
    """Keep the counts where a folder is named; write them into the page; print the JSON line."""
    options = page_command_line(__doc__, KEPT, PAGE).parse_args()
    if options.units:
        parts = {}
        for folder in options.units:
            parts |= counted(kept_units(folder))
        write_json(options.kept, {"machine": machine(), "parts": parts})
    figures = read_json(options.kept)
    text = options.page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    options.page.write_text(before + BEGIN + "\n" + table(figures) + "\n" + END + after, "utf-8")
    finish(total(figures["parts"]))


def table(figures: Mapping[str, Any]) -> str:
    """The counts as a table: a row for each group, and one for all."""
    parts: Mapping[str, Mapping[str, Any]] = figures["parts"]
    rows = [(name, counts) for name, counts in sorted(parts.items())]
    lines = [f"| | {' | '.join(NAMES.values())} |", "|---|" + "---:|" * len(NAMES)]
    for name, counts in [*rows, ("**all**", total(parts))]:
        skipped = f" ({counts['skipped']} not run)" if counts.get("skipped") else ""
        lines.append(f"| {name}{skipped} | {' | '.join(str(counts[key]) for key in NAMES)} |")
    return "\n".join([f"On {figures['machine']}, seed 0.", "", *lines])


assert set(NOTED) <= set(NAMES)

if __name__ == "__main__":
    main()
