"""Delivery of claimed batches: a text counts as asked when somebody can see it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vos.errors import LedgerError
from vos.labeling.ledger_schema import Event

PENDING = "pending"
"""Key in the payload of an export that counts only after the text was sent."""


def counted(exported: Iterable[Event], sent: Iterable[Event]) -> list[Event]:
    """The exports that count as asked.

    Args:
        exported: "exported" events; those without `PENDING` count at once.
        sent: "sent" events of the same texts.
    """
    seen = {(event.batch, event.uid) for event in sent}
    return [each for each in exported if not each.payload.get(PENDING) or (each.batch, each.uid) in seen]


def unsent(exported: Sequence[Event], sent: Sequence[Event]) -> list[str]:
    """Texts of a batch that somebody in its plan cannot see yet, in the order of their export.

    Args:
        exported: "exported" events of one batch.
        sent: "sent" events of that batch, one per person or place.
    """
    times = Counter(event.uid for event in sent)
    waiting = (each for each in exported if each.payload.get(PENDING))
    return [each.uid for each in waiting if times[each.uid] < max(1, len(each.payload.get("people", ())))]


def check_is_there(path: str | Path) -> None:
    """Check that a ledger to be read exists.

    Raises:
        LedgerError: it does not exist; the message names the file with the most similar name.
    """
    path = Path(path)
    if path.is_file():
        return
    known = {str(each): each for each in (*path.parent.glob("*.sqlite"), *path.parent.parent.glob("*/*.sqlite"))}
    found = difflib.get_close_matches(str(path), known, 1, 0.5)
    near = f", did you mean {found[0]}?" if found else ""
    raise LedgerError(f"ledger={path}: expected the ledger that the texts were asked through, found no such file{near}")
