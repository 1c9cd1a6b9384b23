"""From a batch that is claimed to one that people can see: a text counts as asked when somebody can see it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vos.errors import LedgerError
from vos.labeling.ledger_schema import Event

PENDING = "pending"
"""In the payload of an export that does not count until the text was sent."""


def counted(exported: Iterable[Event], sent: Iterable[Event]) -> list[Event]:
    """The exports that count as asked.

    Args:
        exported: events of this kind; those without `PENDING` count at once.
        sent: events of this kind, of the same texts.
    """
    seen = {(event.batch, event.uid) for event in sent}
    return [each for each in exported if not each.payload.get(PENDING) or (each.batch, each.uid) in seen]


def unsent(exported: Sequence[Event], sent: Sequence[Event]) -> list[str]:
    """Texts of a batch that somebody was to be asked about and cannot see yet, in the order of their export.

    Args:
        exported: events of this kind of one batch.
        sent: events of this kind of that batch, one for each person or place.
    """
    times = Counter(event.uid for event in sent)
    waiting = (each for each in exported if each.payload.get(PENDING))
    return [each.uid for each in waiting if times[each.uid] < max(1, len(each.payload.get("people", ())))]


def check_is_there(path: str | Path) -> None:
    """Refuse a ledger that is to be read and is not there.

    Raises:
        LedgerError: names the file whose name is nearest.
    """
    path = Path(path)
    if path.is_file():
        return
    known = {str(each): each for each in (*path.parent.glob("*.sqlite"), *path.parent.parent.glob("*/*.sqlite"))}
    found = difflib.get_close_matches(str(path), known, 1, 0.5)
    near = f", did you mean {found[0]}?" if found else ""
    raise LedgerError(f"ledger={path}: expected the ledger that the texts were asked through, found no such file{near}")
