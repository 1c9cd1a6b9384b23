"""A small ledger into which answers are imported, and from which they are removed again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from benchmarks.fuzz.outcome import Outcome
from vos.labeling import Item, Ledger, text_uid
from vos.labeling.answers import LabelRow, import_labels

CLASSES = ("harmless", "harmful")
TEXTS = (
    "In the road, he fell.",
    "=1+1 is a formula",
    "'=quoted formula",
    "😀 he fell off the ladder 🪜",
    "שלום עולם, הסולם נפל",
    'two\nlines, one "quote", and a tab\t.',
    "e\u0301 combined, \u200bzero width",
    "<script>alert(1)</script> {{7*7}}",
)
UIDS = tuple(text_uid(text) for text in TEXTS)
TEXT_OF = dict(zip(UIDS, TEXTS, strict=True))

Place = tuple[str, str, str, int]
"""uid, annotator, answer and repeat."""


@cache
def open_ledger(folder: Path) -> Ledger:
    """A ledger in the folder with the texts, exported in batch b0; it stays open, and what is rehearsed leaves it."""
    ledger = Ledger(folder / "ledger.sqlite")
    ledger.propose(Item(text) for text in TEXTS)
    ledger.export("b0", "page", UIDS)
    return ledger


def rehearse(ledger: Ledger, rows: Sequence[LabelRow]) -> tuple[Outcome, set[Place], str]:
    """Import rows and take them out again: what became of each, what the ledger held, what is wrong with counts.

    A row is counted under its line; rows of one line are told apart by their place among `rows`.
    """
    with ledger.transaction(keep=False):
        report = import_labels(ledger, rows, CLASSES)
        held = {(label.uid, label.annotator, label.label, label.repeat) for _, label in ledger.labels()}
    named = {each.line: each.reason for each in report.findings if each.outcome in ("rejected", "unknown")}
    loaded = {row.line: (row.label.uid, row.label.annotator) for row in rows if row.label and row.line not in named}
    ends = ("new", "changed", "duplicate", "older", "withdrawn", "adjudicated", "unknown", "rejected")
    counted = sum(report.counts[each] for each in ends)
    told = "" if counted == len(rows) == report.rows else f"{len(rows)} rows, counts of {counted}"
    return Outcome(loaded, named), held, told
