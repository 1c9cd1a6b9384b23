"""A second, naive implementation of what makes a row an answer."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from benchmarks.fuzz.ledgers import CLASSES, TEXT_OF, Place
from benchmarks.fuzz.reference_rows import GAPS, Unreadable, check_characters

WORDS = {"unsure", "skip", "withdrawn"}
STRINGS = ("uid", "annotator", "label", "labelled_at", "tool", "batch_id", "comment")
FLAGS = ("shown_prediction", "neighbours_opened")
WHOLE = ("repeat", "revision", "schema_version")


def is_open(label: Any) -> bool:
    """Whether a cell means that nothing was answered."""
    return label is None or label != label or (isinstance(label, str) and label.strip() in {"", *GAPS})


def answer_of_row(row: dict[str, Any]) -> Place:
    """The answer that a row of plain values gives.

    Raises:
        Unreadable: it gives none.
    """
    for name in STRINGS:
        if name in row or name in ("uid", "annotator", "label", "labelled_at"):
            _check_string(name, row.get(name))
    for name in WHOLE:
        if name in row and (type(row[name]) is not int or abs(row[name]) > 2**53):
            raise Unreadable(f"{name} is no whole number")
    if row.get("repeat", 0) not in (0, 1) or row.get("schema_version", 1) != 1 or row.get("revision", 0) < 0:
        raise Unreadable("a number that is not known")
    for name in FLAGS:
        if name in row and type(row[name]) is not bool:
            raise Unreadable(f"{name} is no truth value")
    changed = row.get("changed_from_suggestion")
    if changed is not None and type(changed) is not bool:
        raise Unreadable("changed_from_suggestion")
    for name in ("seconds", "raw_seconds"):
        value = row.get(name)
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= 10**9):
            raise Unreadable(f"{name} is no time")
    _check_time(row["labelled_at"])
    text = TEXT_OF.get(row["uid"])
    if text is None:
        raise Unreadable("an unknown text")
    _check_text(row, text)
    return row["uid"], row["annotator"], _word(row["label"]), row.get("repeat", 0)


def _check_string(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise Unreadable(f"{name} is no string")
    if name in ("uid", "annotator", "label", "labelled_at") and not value.strip():
        raise Unreadable(f"{name} is empty")
    check_characters(value)


def _check_time(value: str) -> None:
    try:
        zone = datetime.fromisoformat(value).tzinfo
    except ValueError as error:
        raise Unreadable("no time") from error
    if zone is None:
        raise Unreadable("no time zone")


def _check_text(row: dict[str, Any], text: str) -> None:
    shown = row.get("text")
    plain = " ".join(text.split())
    if isinstance(shown, str) and plain not in (" ".join(shown.split()), " ".join(shown[1:].split())):
        raise Unreadable("another text")
    known = hashlib.sha256(text.encode()).hexdigest()[:32]
    if row.get("text_hash") not in (None, known):
        raise Unreadable("another hash")
    spans = row.get("spans")
    if spans is None or spans in ([], {}, "", 0, False):
        return
    for span in spans if isinstance(spans, list) else [None]:
        if not isinstance(span, dict) or type(span.get("start")) is not int or type(span.get("end")) is not int:
            raise Unreadable("no span")
        start, end = span["start"], span["end"]
        if not 0 <= start < end <= len(text) or text[start:end] != span.get("text"):
            raise Unreadable("a span that is not in the text")


def _word(label: str) -> str:
    """The answer in the spelling of the ledger."""
    name = " ".join(label.split()).casefold()
    for known in (*CLASSES, *sorted(WORDS)):
        if name == known:
            return known
    if label.strip() in {f"answer:{word}" for word in WORDS}:
        return label.strip().removeprefix("answer:")
    raise Unreadable("no class of the ledger")
