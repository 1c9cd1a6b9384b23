"""The printed summary of a batch: its content, its coverage, the basis of its numbers, and how to have it labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vos.cli.endings import next_step, same_ledger, setting
from vos.cli.tables import in_words
from vos.console import print_facts, print_paths, say
from vos.loop.send import SentBatch
from vos.storage.commands import command
from vos.synthesis.synthesize import SynthesisResult

IN_OTHER_WORDS = (
    *("asked", "written", "pool_scored", "pool_by_side", "near_boundary_by_side", "chosen", "near_boundary_by_source"),
    *(
        "dropped",
        "scoring",
        "targets_extrapolated",
        "gaps",
        "covered_before",
        "covered_after",
        "expected_error",
        "made",
    ),
)
"""Entries of a report that `_rows` prints."""

FOR_THE_FILE = ("unit", "run_hash", "seed", "demand", "supply", "nearest_share", "nearest_miss", "files", "warnings")
"""Entries that are not printed, only stored in `synthesis.json`."""

ANSWERED = {
    "page": ("answer in the browser, download the answers, then", ["labels=files", "labels.path=DOWNLOADED.jsonl"]),
    "file": ("fill in the sheet, then", ["labels=files"]),
    "label_studio": ("answer in Label Studio, then", ["labels=label_studio"]),
    "argilla": ("answer in Argilla, then", ["labels=argilla"]),
}
"""For each labelling tool, what to do next and how the answers are imported."""


def print_batch(result: SynthesisResult, by_oracle: Sequence[tuple[str, str]]) -> None:
    """Print what was written, and one sentence on its value.

    Args:
        result: result of the synthesis.
        by_oracle: rows computed from stored answers; empty if there are none.
    """
    print_facts("Near-boundary texts", _rows(result.report))
    print_facts("By the stored answers: a declared oracle, no person", by_oracle)
    print_paths({path.name: path for path in result.paths})
    say(what_it_covers(result.report))


def what_it_covers(report: Mapping[str, Any]) -> str:
    """Return one sentence on what a batch covers.

    Example:
        >>> what_it_covers({"written": 100, "chosen": {"random": 12, "coverage": 88}, "covered_before": 0.44,
        ...     "covered_after": 0.81})
        '100 texts to label: 88 near the boundary, 12 at random; the uncertain texts of the pool are covered to 81 %, before to 44 %.'
    """  # noqa: E501 - one line of output
    random = int(report["chosen"].get("random", 0))
    parts = [f"{report['written'] - random} near the boundary", *([f"{random} at random"] if random else [])]
    told = f"{report['written']} texts to label: {', '.join(parts)}"
    if "covered_after" in report:
        told += (
            f"; the uncertain texts of the pool are covered to {report['covered_after']:.0%}, before to "
            f"{report['covered_before']:.0%}"
        ).replace("%", " %")
    return f"{told}."


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the table."""
    chosen = {name: n for name, n in report["chosen"].items() if name != "random"}
    near, random = sum(chosen.values()), int(report["chosen"].get("random", 0))
    how = f"{near} by {' and '.join(chosen) or 'no rule'}, {random} at random"
    rows = [("texts", f"{report['written']} of {report['asked']} asked for: {how}")]
    if sides := report.get("near_boundary_by_side"):
        rows.append(("their predictions", in_words({f"{side}:": n for side, n in sides.items()}).replace(":", "")))
    if set(report["near_boundary_by_source"]) - {"pool"}:
        rows.append(("their sources", in_words(report["near_boundary_by_source"])))
    pool = f"{report['pool_scored']:,} texts scored"
    if sides := report.get("pool_by_side"):
        pool += f", predicted: {in_words(sides)}"
    rows.append(("pool", pool))
    if report["dropped"]:
        rows.append(("left out", in_words(report["dropped"])))
    if gaps := report.get("gaps"):
        rows.append(("virtual outliers", _gaps(gaps)))
    if beyond := report.get("targets_extrapolated"):
        rows.append(("extrapolated", f"{beyond} targets lie beyond every text that the distance was calibrated on"))
    rows.append(("expected error", _calibration(report.get("expected_error") or {})))
    if again := (report.get("scoring") or {}).get("again_in_float32"):
        rows.append(("arithmetic", f"{report['scoring']['pool']}; {again} texts again in float32"))
    others = {k: v for k, v in report.items() if k not in (*IN_OTHER_WORDS, *FOR_THE_FILE)}
    rows += [(name.replace("_", " "), in_words(value)) for name, value in others.items() if in_words(value)]
    made = report.get("made") or {}
    told = {name.replace("_", " "): in_words(value) for name, value in made.items()}
    return rows + [(f"made: {name}", value) for name, value in told.items() if value]


def _gaps(gaps: Mapping[str, Any]) -> str:
    if set(gaps) >= {"outliers", "without_text", "distance"}:
        return f"{gaps['without_text']} of {gaps['outliers']} have no text within a distance of {gaps['distance']:g}"
    return in_words(dict(gaps))


def _calibration(report: Mapping[str, Any]) -> str:
    """The basis of the expected errors, in a few words."""
    if not report.get("n"):
        return f"by the margin alone: {report.get('reason', '')}"
    brier = ((report.get("reliability") or {}).get("expected_error") or {}).get("brier")
    told = "" if brier is None else f"; its Brier score {brier[0]:.3f} ({brier[1]:.3f} to {brier[2]:.3f})"
    return f"calibrated on {report['n']} validation texts with {report['mistakes']} mistakes{told}"


def print_sent(config: DictConfig, sent: SentBatch, tool: str) -> None:
    """Print what was sent to whom and where, and how to import the answers."""
    rows = [("asked now", f"{sent.asked}, {sent.gold} of them with a known answer")]
    if sent.held_back:
        rows.append(("asked before, held back", str(len(sent.held_back))))
    print_facts(f"Batch {sent.batch_id}", rows)
    there = [place for place in sent.places if Path(place).exists()]
    for place in sent.places:
        print_paths({"where": place})
    doing, settings = ANSWERED.get(tool, ("answer them, then", []))
    if tool == "file" and there:
        settings = [*settings, setting("labels.path", there[0])]
    if sent.asked:
        say(f"Now {doing} train the next round with them:")
        next_step(command("train"), setting("run", config.get("run", "RUN")), *settings, *same_ledger(config.ledger))
