"""The page on malformed input and load: `python -m benchmarks.load.page [--figures FILE ...]`.

With `--figures`, files with the last line of `benchmarks.fuzz`, `benchmarks.load` or `benchmarks.load.soak` (also the
`figures.json` in their output folders), their figures are first written to docs/hostile_input_and_load.json; a later
file replaces the figures of an earlier one. The page is generated from that file alone. The last line is one JSON
object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks._common import ROOT, finish, machine, page_command_line
from benchmarks.load.promises import HEAD, PROMISES
from vos.storage.json_files import read_json, write_json

KEPT = ROOT / "docs/hostile_input_and_load.json"
PAGE = ROOT / "docs/hostile_input_and_load.md"

Figures = Mapping[str, Any]

LARGEST = 1_000_000
"""Texts of the ledger that the aims are about."""

FUZZED = {"files": "files", "rows_loaded": "rows loaded", "rows_named": "rows named", "files_refused": "files refused",
          "differences": "differences"}  # fmt: skip
STEPS = {
    "propose": "texts proposed",
    "export": "texts exported in batches of 1,000",
    "import": "answers read and imported",
    "import_again": "the same answers again",
    "consensus": "texts settled by vote",
    "state": "states of texts",
}
SOAKED = {"used_mib": "memory in use, MiB", "memory_mib": "resident memory, MiB", "handles": "open handles",
          "threads": "threads", "temporary_files": "temporary files"}  # fmt: skip

OF_LIBRARIES = """Memory in use grows by objects of libraries: numpy makes a type for each new size of a saved tensor,
and rich keeps the widths of what it has printed, up to a bound; there may be others."""


def main() -> None:
    """Keep figures where files are named; write the page; print the JSON line."""
    options = page_command_line(__doc__, KEPT, PAGE, "--figures").parse_args()
    kept: dict[str, Any] = read_json(options.kept) if options.kept.exists() else {}
    for file in options.figures:
        found = read_json(file)
        kept[kind_of(found)] = {**kept.get(kind_of(found), {}), **found}
    if options.figures:
        write_json(options.kept, {"machine": machine(), **kept})
    options.page.write_text(page(kept), "utf-8")
    finish({kind: len(kept.get(kind, {})) for kind in ("fuzz", "load", "soak")})


def kind_of(found: Figures) -> str:
    """Which of the three programs printed these figures."""
    return "fuzz" if "differences" in found else "soak" if "turns" in found else "load"


def page(kept: Mapping[str, Any]) -> str:
    """The whole page."""
    fuzz, load, soak = (kept.get(kind, {}) for kind in ("fuzz", "load", "soak"))
    parts = [HEAD, *_table(["promise", "test"], PROMISES), *_fuzz(fuzz), *_ledger(load), *_others(load), *_soak(soak)]
    return "\n".join(parts) + "\n"


def _fuzz(found: Figures) -> list[str]:
    formats = [name.partition("/")[0] for name in found if name.endswith("/files")]
    rows = [[name, *(_number(found.get(f"{name}/{key}")) for key in FUZZED)] for name in formats]
    return ["\n## Files against reference readers\n", "`python -m benchmarks.fuzz`, seed 0.\n",
            *_table(["format", *FUZZED.values()], rows)]  # fmt: skip


def _ledger(found: Figures) -> list[str]:
    sizes = sorted({int(name.split("/")[0].removeprefix("ledger_")) for name in found if name.startswith("ledger_")})
    rows = []
    for key, words in STEPS.items():
        cells = [_number(found.get(f"ledger_{size}/{key}_per_cpu_s")) for size in sizes]
        rows.append([words, *cells, _number(found.get(f"ledger/{key}_ratio"))])
    for key, words in (
        ("file_mib", "file, MiB"),
        ("bytes_a_label", "bytes an answer"),
        ("peak_mib", "peak memory, MiB"),
    ):
        rows.append([words, *(_number(found.get(f"ledger_{size}/{key}")) for size in sizes), ""])
    lacking = "" if LARGEST in sizes else f" A ledger of {LARGEST:,} texts was not measured yet."
    heads = [f"{size:,} texts, {3 * size:,} answers" for size in sizes]
    told = f"How much one core handles in a second of processor time (`python -m benchmarks.load`).{lacking}\n"
    return ["\n## The ledger\n", told, *_table(["step", *heads, "time, times that of the smaller"], rows)]


def _others(found: Figures) -> list[str]:
    rows = []
    for kind, words in (("answer", "answers"), ("move", "moves"), ("change", "changes")):
        given = [found.get(f"keys/{kind}/{name}") for name in ("keys", "mean_thread_ms", "median_ms", "over_50_ms")]
        if given[0] is not None:
            n, thread, median, over = map(_number, given)
            clock = f"{median} ms by the clock (median), {over} of {n} above 50"
            what = f"{words} by key on a page of {_number(found['keys/texts'])} texts"
            rows.append([what, f"{thread} ms of the page's thread on average; {clock}"])
    if "sweep/runs" in found:
        told = f"{_number(found['sweep/cpu_s'])} s, {_number(found['sweep/ratio_to_a_tenth'])} times a tenth of them"
        rows.append([f"{found['sweep/runs']} folders of runs compared", told])
    if "training_set/texts" in found:
        n = _number(found["training_set/texts"])
        times = f"{_number(found['training_set/ratio_to_a_tenth'])} times a tenth of them"
        peak = f"peak {_number(found['training_set/load_peak_mib'])} MiB"
        rows.append(
            [
                f"{n} training texts read, checked and cut",
                f"{_number(found['training_set/load_cpu_s'])} s, {times}, {peak}",
            ]
        )
    if "training_set/train_s" in found:
        own = _number(found["training_set/train_cpu_s"])
        rows.append(
            ["trained on, the encoder frozen", f"{own} s, peak {_number(found['training_set/train_peak_mib'])} MiB"]
        )
    head = ["\n## Page, sweep, training set\n", "Times are seconds of processor time.\n"]
    return [*head, *_table(["what", "measured"], rows)]


def _soak(found: Figures) -> list[str]:
    head = "\n## A long run\n"
    if not found:
        return [head, "Not run yet (`make faults-soak`)."]
    rows = [
        [words, _number(found[f"{key}/last"]), f"{found[f'{key}/slope']:+.3g} ± {found[f'{key}/slope_half']:.3g}"]
        for key, words in SOAKED.items()
        if f"{key}/last" in found
    ]
    minutes = _number(found["minutes"])
    told = (
        f"{found['turns']} turns of the whole loop took {minutes} minutes (`make faults-soak`). In it torch and oneDNN "
        "kept one kernel each; otherwise they keep one for each shape of a batch, up to 1,024"
    )
    growing = [words for key, words in SOAKED.items() if found.get(f"{key}/grows")]
    verdict = f"What grows beyond noise: {', '.join(growing)}." if growing else "Nothing grows beyond noise."
    verdict += f" {OF_LIBRARIES}" if found.get("used_mib/grows") else ""
    growth = "The last column is the growth a turn after the first third, with its 95 % interval"
    return [head, f"{told}. {growth}. {verdict}\n", *_table(["what", "at the end", "a turn"], rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---|" + "---|" * (len(head) - 1), *lines]


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"


if __name__ == "__main__":
    main()
