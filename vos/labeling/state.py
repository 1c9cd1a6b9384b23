"""What holds now, derived from the ledger's events."""

from __future__ import annotations

from collections import Counter, defaultdict

from vos.labeling.label import Label
from vos.labeling.ledger import Ledger
from vos.labeling.newest import Place, newest_answers

STATES = ("proposed", "exported", "labelled", "adjudicated", "trained")
"""In the order of a text's way; `sent` is part of `exported`."""


def held_answers(ledger: Ledger) -> dict[Place, Label]:
    """The answers that hold, hidden repeats among them; see `newest_answers`."""
    exported = {(event.batch, event.uid): event.seq for event in ledger.events("exported")}
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
    """How far every text has come, one of `STATES`. A text whose answers were all withdrawn is "exported" again."""
    state: dict[str, str] = {}
    answered = {uid for uid, _, _ in held_answers(ledger)}
    for event in ledger.events():
        unanswered = event.kind == "labelled" and event.uid not in answered
        kind = "exported" if event.kind == "sent" or unanswered else event.kind
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
