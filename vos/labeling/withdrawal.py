"""Answers that a tool no longer holds: what was imported before and is gone now has been taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

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


def read_back(
    ledger: Ledger,
    tool: str,
    url: str,
    answers: Iterable[tuple[Any, Any, list[LabelRow]]],
    partly_read: Collection[str | None] = (),
) -> list[LabelRow]:
    """The rows of a labelling server, and a withdrawal for every answer from it that it no longer holds.

    Args:
        ledger: of the project.
        tool: its name in the ledger.
        url: of the server.
        answers: uid, batch id and rows of each text that the server holds; where a row cannot be read, the answers to
            this text are left alone.
        partly_read: batches that may have answers elsewhere; nothing of them is withdrawn.
    """
    rows: list[LabelRow] = []
    read = set()
    for uid, batch, found in answers:
        rows += found
        known = isinstance(uid, str) and isinstance(batch, str)  # whatever an export holds in their place
        if known and batch not in partly_read and all(row.label is not None for row in found):
            read.add((uid, batch))
    return rows + withdrawals(
        ledger, rows, url, lambda label: label.tool == tool and (label.uid, label.batch_id) in read
    )


def _withdrawn(label: Label) -> Label:
    """Not older than what it takes back, whatever the clocks say."""
    time = max(now(), label.labelled_at, key=parse_time)
    return replace(label, label=WITHDRAWN, labelled_at=time, spans=(), comment="", changed_from_suggestion=None)
