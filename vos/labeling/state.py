"""The current state, derived from the ledger's events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
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


Age = tuple[int, int, float]
"""Order of two answers of one person to one text: export of the batch, revision, clock; the larger is newer."""


def age_of(label: Label, exported: Mapping[tuple[str | None, str], int]) -> Age:
    """See `Age`; `exported` as in `newest_answers`."""
    return exported.get((label.batch_id, label.uid), 0), label.revision, parse_time(label.labelled_at).timestamp()


def newest_entries(
    labels: Iterable[tuple[int, Label]], exported: Mapping[tuple[str | None, str], int]
) -> dict[Place, Label]:
    """Like `newest_answers`, but with the withdrawals that are newest."""
    newest: dict[Place, tuple[Age, int, Label]] = {}
    for seq, label in labels:
        place, age = (label.uid, label.annotator, label.repeat), age_of(label, exported)
        if place not in newest or (age, seq) > newest[place][:2]:
            newest[place] = (age, seq, label)
    return {place: label for place, (_, _, label) in newest.items()}


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
    newest = newest_entries(labels, exported)
    return {place: label for place, label in newest.items() if label.label != WITHDRAWN}


def held_answers(ledger: Ledger) -> dict[Place, Label]:
    """The valid answers, including hidden repeats; see `newest_answers`."""
    return newest_answers(ledger.labels(), export_order(ledger))


def export_order(ledger: Ledger) -> dict[tuple[str | None, str], int]:
    """(batch, uid) to the order of its export."""
    return {(event.batch, event.uid): event.seq for event in ledger.each_event("exported")}


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
    return {uid: str(event.payload["label"]) for uid, event in newest_settling(events).items()}


def newest_settling(events: Iterable[Event]) -> dict[str, Event]:
    """Like `newest_settled`, but the events themselves."""
    return {event.uid: event for event in sorted(events, key=settled_at)}


def settled_at(event: Event) -> datetime:
    """Time of an adjudicator's answer; ledgers of version 0.1 have that of its import alone."""
    return parse_time(event.payload.get("labelled_at", event.at))
