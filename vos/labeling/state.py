"""What holds now, derived from the ledger's events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vos.labeling.delivery import PENDING
from vos.labeling.label import WITHDRAWN, Label, parse_time

if TYPE_CHECKING:
    from vos.labeling.ledger import Ledger
    from vos.labeling.ledger_schema import Event

STATES = ("proposed", "exported", "labelled", "adjudicated", "trained")
"""In the order of a text's way; `sent` is part of `exported`."""


Place = tuple[str, str, int]
"""uid, annotator, and 0 for the first showing or 1 for the hidden repeat."""


def newest_answers(
    labels: Iterable[tuple[int, Label]], exported: Mapping[tuple[str | None, str], int]
) -> dict[Place, Label]:
    """The answers that hold, by text, person and showing, in order of first arrival.

    Newest means: of the batch exported last; within a batch the higher revision; then the later clock; then the later
    arrival. Clocks come third because they run backwards. Where the newest is a withdrawal there is no answer.

    Args:
        labels: answers with their order of arrival.
        exported: (batch, uid) to the order of its export.
    """
    newest: dict[Place, tuple[tuple[float, ...], Label]] = {}
    for seq, label in labels:
        age = (
            exported.get((label.batch_id, label.uid), 0),
            label.revision,
            parse_time(label.labelled_at).timestamp(),
            seq,
        )
        place = (label.uid, label.annotator, label.repeat)
        if place not in newest or age > newest[place][0]:
            newest[place] = (age, label)
    return {place: label for place, (_, label) in newest.items() if label.label != WITHDRAWN}


def held_answers(ledger: Ledger) -> dict[Place, Label]:
    """The answers that hold, hidden repeats among them; see `newest_answers`."""
    exported = {(event.batch, event.uid): event.seq for event in ledger.each_event("exported")}
    return newest_answers(ledger.labels(), exported)


def current_labels(ledger: Ledger) -> dict[str, list[Label]]:
    """The answers that hold: for each text and person the newest first showing, in order of arrival.

    Hidden repeats are left out, see `repeats`.
    """
    by_text: dict[str, list[Label]] = defaultdict(list)
    for label in held_answers(ledger).values():
        if label.repeat == 0:
            by_text[label.uid].append(label)
    return dict(by_text)


def repeats(ledger: Ledger) -> list[tuple[Label, Label]]:
    """First and repeated answer of the same person about the same text, where both are there."""
    held = held_answers(ledger)
    found = ((held.get((label.uid, label.annotator, 0)), label) for label in held.values() if label.repeat > 0)
    return [(one, two) for one, two in found if one is not None]


def text_states(ledger: Ledger) -> dict[str, str]:
    """How far every text has come, one of `STATES`.

    A text whose answers were all withdrawn is "exported" again; one that was claimed and not sent is "proposed" still.
    """
    state: dict[str, str] = {}
    answered = {uid for uid, _, _ in held_answers(ledger)}
    for event in ledger.each_event():
        unanswered = event.kind == "labelled" and event.uid not in answered
        kind = "exported" if event.kind == "sent" or unanswered else event.kind
        if event.kind == "exported" and event.payload.get(PENDING):
            kind = "proposed"
        if STATES.index(kind) >= STATES.index(state.get(event.uid, "proposed")):
            state[event.uid] = kind
    return state


def state_counts(ledger: Ledger) -> dict[str, int]:
    """Texts by state, every state named."""
    counts = Counter(text_states(ledger).values())
    return {state: counts[state] for state in STATES}


def adjudicated(ledger: Ledger) -> dict[str, str]:
    """Settled answers by uid: of each text the newest by its clock, then by arrival."""
    return newest_settled(ledger.events("adjudicated"))


def newest_settled(events: Iterable[Event]) -> dict[str, str]:
    """See `adjudicated`; of events of this kind, in the order of their arrival."""
    by_clock = sorted(events, key=lambda event: parse_time(event.payload.get("labelled_at", event.at)))
    return {event.uid: str(event.payload["label"]) for event in by_clock}
