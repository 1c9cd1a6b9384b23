"""The history of one text in the ledger, read once when an import first needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vos.labeling.label import WITHDRAWN, Label, label_from_dict
from vos.labeling.ledger import Ledger
from vos.labeling.state import Age, age_of, newest_entries, newest_settling, settled_at


@dataclass
class TextHistory:
    """One text of the ledger, with its answers.

    Attributes:
        text: the text as it was exported.
        exported: batch to the time of its export.
        order: (batch, uid) to the order of its export.
        newest: the newest answer or withdrawal, by person and presentation; updated by the import.
        settled: the valid answer of an adjudicator and its time; None if there is none.
    """

    text: str
    exported: Mapping[str | None, str]
    order: Mapping[tuple[str | None, str], int]
    newest: dict[tuple[str, int], Label]
    settled: tuple[str, datetime] | None

    @property
    def answers(self) -> list[Label]:
        """The valid answers."""
        return [label for label in self.newest.values() if label.label != WITHDRAWN]

    def age(self, label: Label) -> Age:
        """See `age_of`."""
        return age_of(label, self.order)


def text_history(ledger: Ledger, uid: str) -> TextHistory | None:
    """Read the history of a text; None if the ledger does not know it."""
    text = ledger.text(uid)
    if text is None:
        return None
    events = ledger.events(uid=uid)
    exports = [each for each in events if each.kind == "exported"]
    labels = [(each.seq, label_from_dict(each.payload)) for each in events if each.kind == "labelled"]
    order = {(each.batch, uid): each.seq for each in exports}
    newest = {(person, repeat): label for (_, person, repeat), label in newest_entries(labels, order).items()}
    last = newest_settling(each for each in events if each.kind == "adjudicated").get(uid)
    settled = None if last is None else (str(last.payload["label"]), settled_at(last))
    return TextHistory(text, {each.batch: each.at for each in exports}, order, newest, settled)
