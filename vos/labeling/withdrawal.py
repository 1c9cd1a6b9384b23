"""Answers that a tool no longer holds: what was imported before and is gone now has been taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vos.labeling.answers import LabelRow
from vos.labeling.label import WITHDRAWN, Label, now, parse_time
from vos.labeling.ledger import Ledger
from vos.labeling.state import held_answers


def withdrawals(
    ledger: Ledger, rows: Sequence[LabelRow], source: str, was_read: Callable[[Label], bool]
) -> list[LabelRow]:
    """A row for every answer that holds in the ledger and is missing among `rows`.

    Args:
        ledger: of the project.
        rows: everything that the tool holds now.
        source: see `LabelRow`.
        was_read: whether the tool was asked about the place of this answer; others are left alone.
    """
    present = {(row.label.uid, row.label.annotator, row.label.repeat) for row in rows if row.label is not None}
    gone = [label for place, label in held_answers(ledger).items() if place not in present and was_read(label)]
    return [LabelRow(source, 0, _withdrawn(label)) for label in gone]


def _withdrawn(label: Label) -> Label:
    """Not older than what it takes back, whatever the clocks say."""
    time = max(now(), label.labelled_at, key=parse_time)
    return replace(label, label=WITHDRAWN, labelled_at=time, spans=(), comment="", changed_from_suggestion=None)
