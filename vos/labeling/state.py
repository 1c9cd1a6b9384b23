"""The current state, derived from the ledger's events."""

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
"""States of a text, in order; `sent` is part of `exported`."""


Place = tuple[str, str, int]
"""uid, annotator, and 0 for the first presentation or 1 for the hidden repeat."""


def newest_answers(
    labels: Iterable[tuple[int, Label]], exported: Mapping[tuple[str | None, str], int]
) -> dict[Place, Label]:
    """The valid answers, by text, person and presentation, in order of first arrival.

    The newest answer is valid: that of the batch exported last; within a batch, that with the highest revision; then
    the latest clock; then the latest arrival. Clocks come third because they may run backwards. If the newest is a
    withdrawal, there is no answer.

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
    """The valid answers, including hidden repeats; see `newest_answers`."""
    exported = {(event.batch, event.uid): event.seq for event in ledger.each_event("exported")}
    return newest_answers(ledger.labels(), exported)


def current_labels(ledger: Ledger) -> dict[str, list[Label]]:
    """The valid answers by text: for each person the newest answer to the first presentation, in order of arrival.

    Hidden repeats are not included, see `repeats`.
    """
    by_text: dict[str, list[Label]] = defaultdict(list)
    for label in held_answers(ledger).values():
        if label.repeat == 0:
            by_text[label.uid].append(label)
    return dict(by_text)


def repeats(ledger: Ledger) -> list[tuple[Label, Label]]:
    """Pairs of first and repeated answer of the same person to the same text."""
    held = held_answers(ledger)
    found = ((held.get((label.uid, label.annotator, 0)), label) for label in held.values() if label.repeat > 0)
    return [(one, two) for one, two in found if one is not None]


def text_states(ledger: Ledger) -> dict[str, str]:
    """The state of every text, one of `STATES`.

    A text whose answers were all withdrawn is "exported" again; one that was claimed but not sent is still "proposed".
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
    """Number of texts by state, for all states."""
    counts = Counter(text_states(ledger).values())
    return {state: counts[state] for state in STATES}


def adjudicated(ledger: Ledger) -> dict[str, str]:
    """Adjudicated answers by uid: for each text the newest by clock, then by arrival."""
    return newest_settled(ledger.events("adjudicated"))


def newest_settled(events: Iterable[Event]) -> dict[str, str]:
    """See `adjudicated`; from "adjudicated" events in order of arrival."""
    by_clock = sorted(events, key=lambda event: parse_time(event.payload.get("labelled_at", event.at)))
    return {event.uid: str(event.payload["label"]) for event in by_clock}
