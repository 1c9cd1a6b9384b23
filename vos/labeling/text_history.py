"""The history of one text in the ledger, read once when an import first needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vos.labeling.label import Label, label_from_dict
from vos.labeling.ledger import Ledger
from vos.labeling.state import newest_answers, newest_settled


@dataclass
class TextHistory:
    """One text of the ledger, with its answers.

    Attributes:
        text: the text as it was exported.
        exported: batch to the time of its export.
        answers: the valid answers, by person and presentation; updated by the import.
        settled: the valid answer of an adjudicator; None if there is none.
    """

    text: str
    exported: Mapping[str | None, str]
    answers: dict[tuple[str, int], Label]
    settled: str | None


def text_history(ledger: Ledger, uid: str) -> TextHistory | None:
    """Read the history of a text; None if the ledger does not know it."""
    text = ledger.text(uid)
    if text is None:
        return None
    events = ledger.events(uid=uid)
    exports = [each for each in events if each.kind == "exported"]
    labels = [(each.seq, label_from_dict(each.payload)) for each in events if each.kind == "labelled"]
    held = newest_answers(labels, {(each.batch, uid): each.seq for each in exports})
    answers = {(person, repeat): label for (_, person, repeat), label in held.items()}
    settled = newest_settled(each for each in events if each.kind == "adjudicated").get(uid)
    return TextHistory(text, {each.batch: each.at for each in exports}, answers, settled)
