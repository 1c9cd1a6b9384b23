"""What holds now, derived from the ledger's events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from vos.labeling.label import Label, parse_time
from vos.labeling.ledger import Ledger

STATES = ("proposed", "exported", "labelled", "adjudicated", "trained")
"""In the order of a text's way; `sent` is part of `exported`."""


def current_labels(ledger: Ledger) -> dict[str, list[Label]]:
    """The answers that hold: for each text and person the newest first showing, in order of arrival.

    Hidden repeats are left out, see `repeats`. Newest means: of the batch exported last; within a batch the higher
    revision; then the later clock; then the later arrival. Clocks come third because they run backwards.
    """
    return _newest(ledger, (pair for pair in ledger.labels() if pair[1].repeat == 0))


def repeats(ledger: Ledger) -> list[tuple[Label, Label]]:
    """First and repeated answer of the same person about the same text, where both are there."""
    both = ledger.labels()
    first = {(label.uid, label.annotator): label for labels in current_labels(ledger).values() for label in labels}
    again = _newest(ledger, (pair for pair in both if pair[1].repeat > 0))
    found = ((first.get((label.uid, label.annotator)), label) for labels in again.values() for label in labels)
    return [(one, two) for one, two in found if one is not None]


def _newest(ledger: Ledger, labels: Iterable[tuple[int, Label]]) -> dict[str, list[Label]]:
    exported = {(event.batch, event.uid): event.seq for event in ledger.events("exported")}
    newest: dict[tuple[str, str], tuple[tuple[float, ...], Label]] = {}
    for seq, label in labels:
        age = (
            exported.get((label.batch_id, label.uid), 0),
            label.revision,
            parse_time(label.labelled_at).timestamp(),
            seq,
        )
        place = (label.uid, label.annotator)
        if place not in newest or age > newest[place][0]:
            newest[place] = (age, label)
    by_text: dict[str, list[Label]] = defaultdict(list)
    for _, label in newest.values():
        by_text[label.uid].append(label)
    return dict(by_text)


def text_states(ledger: Ledger) -> dict[str, str]:
    """How far every text has come, one of `STATES`."""
    state: dict[str, str] = {}
    for event in ledger.events():
        kind = "exported" if event.kind == "sent" else event.kind
        if STATES.index(kind) >= STATES.index(state.get(event.uid, "proposed")):
            state[event.uid] = kind
    return state


def state_counts(ledger: Ledger) -> dict[str, int]:
    """Texts by state, every state named."""
    counts = Counter(text_states(ledger).values())
    return {state: counts[state] for state in STATES}


def adjudicated(ledger: Ledger) -> dict[str, str]:
    """Settled answers by uid, the newest of each text."""
    return {event.uid: str(event.payload["label"]) for event in ledger.events("adjudicated")}
