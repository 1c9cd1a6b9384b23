"""Withdrawals: answers that were imported before and no longer exist in the tool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from vos.labeling.answers import LabelRow
from vos.labeling.label import WITHDRAWN, Label, now, parse_time
from vos.labeling.ledger import Ledger
from vos.labeling.state import export_order, held_answers, newest_answers


def withdrawals(
    ledger: Ledger, rows: Sequence[LabelRow], source: str, was_read: Callable[[Label], bool]
) -> list[LabelRow]:
    """A withdrawal row for every valid answer in the ledger that is missing in `rows`.

    Args:
        ledger: ledger of the project.
        rows: all answers that currently exist in the tool.
        source: see `LabelRow`.
        was_read: whether the place of this answer was read from the tool; other answers are not withdrawn.
    """
    present = {(row.label.uid, row.label.annotator, row.label.repeat) for row in rows if row.label is not None}
    gone = [label for place, label in held_answers(ledger).items() if place not in present and was_read(label)]
    return [LabelRow(source, 0, _withdrawn(label)) for label in gone]


def restoring(ledger: Ledger, rows: Sequence[LabelRow]) -> list[LabelRow]:
    """The rows, the newest of each person and text marked with `restores`: the tool has it, whatever was withdrawn.

    Args:
        ledger: ledger of the project.
        rows: all answers that currently exist in the tool.
    """
    given = [(number, row.label) for number, row in enumerate(rows) if row.label is not None and not row.settles]
    newest = {id(label) for label in newest_answers(given, export_order(ledger)).values()}
    return [replace(row, restores=True) if id(row.label) in newest else row for row in rows]


def read_back(
    ledger: Ledger,
    tool: str,
    url: str,
    answers: Iterable[tuple[Any, Any, list[LabelRow]]],
    partly_read: Collection[str | None] = (),
) -> list[LabelRow]:
    """The rows of a labelling server, and a withdrawal for every answer that no longer exists on it.

    Args:
        ledger: ledger of the project.
        tool: name of the tool in the ledger.
        url: URL of the server.
        answers: uid, batch id and rows of each text, in each place on the server; if a row cannot be read, the answers
            to this text are not withdrawn.
        partly_read: batches that may have answers elsewhere; their answers are not withdrawn.
    """
    rows: list[LabelRow] = []
    read: set[tuple[str, str]] = set()
    unreadable: set[tuple[str, str]] = set()
    for uid, batch, found in answers:
        rows += found
        known = isinstance(uid, str) and isinstance(batch, str)  # an export may contain anything there
        if known and batch not in partly_read:
            (read if all(row.label is not None for row in found) else unreadable).add((uid, batch))
    read -= unreadable  # a text of several people is read in several places
    return restoring(ledger, rows) + withdrawals(
        ledger, rows, url, lambda label: label.tool == tool and (label.uid, label.batch_id) in read
    )


def _withdrawn(label: Label) -> Label:
    """The withdrawal of an answer, with a time that is not before the answer's."""
    time = max(now(), label.labelled_at, key=parse_time)
    return replace(label, label=WITHDRAWN, labelled_at=time, spans=(), comment="", changed_from_suggestion=None)
