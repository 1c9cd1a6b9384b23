"""One person's answer to one text: a versioned record with the fields that the import rules need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from vos.errors import DataError
from vos.storage.text_ids import UNPRINTABLE

LABEL_SCHEMA_VERSION = 1

UNSURE = "unsure"
"""Answer of a person who cannot decide: counts as an answer, but is never trained on."""

SKIP = "skip"
"""The text was skipped: no answer, never trained on."""

WITHDRAWN = "withdrawn"
"""An earlier answer was withdrawn in the tool: as long as this is the newest entry, there is no answer."""

RESERVED = (UNSURE, SKIP, WITHDRAWN)
"""Answers that are not class names."""

CLASS, ANSWER = "class:", "answer:"
"""Prefix of a class named like an answer in `RESERVED`, and optional prefix of such an answer."""


def answer_of(name: str) -> str:
    """A class name as an answer: unchanged, or with the prefix `class:` if it equals an answer in `RESERVED`.

    Example:
        >>> answer_of("hate"), answer_of("unsure"), class_of("class:unsure"), class_of("hate")
        ('hate', 'class:unsure', 'unsure', 'hate')
    """
    return f"{CLASS}{name}" if _is_marked(f"{CLASS}{name}") else name


def class_of(answer: str) -> str:
    """The class name that an answer means; the reverse of `answer_of`."""
    return answer.removeprefix(CLASS) if _is_marked(answer) else answer


def _is_marked(answer: str) -> bool:
    """Whether an answer has the prefix `class:` before a reserved name, or before a name that starts with it."""
    while answer.startswith(CLASS):
        answer = answer.removeprefix(CLASS)
        if answer in RESERVED:
            return True
    return False


def now() -> str:
    """The current time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def exact_hash(text: str) -> str:
    """SHA-256 (hex, first 32 characters) of the unmodified text, for which alone spans are valid."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Span:
    """A marked passage.

    Attributes:
        start: first character, in Unicode code points (not UTF-16 units).
        end: one past the last character.
        text: the passage, by which a shifted offset is detected.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """One answer of one person to one text.

    Attributes:
        uid: uid of the text, see `text_uid`.
        annotator: name or id of the person.
        label: a class name as written by `answer_of`, `UNSURE`, `SKIP`, or `WITHDRAWN` for a withdrawn answer.
        labelled_at: ISO 8601 with a time zone, by the clock of the tool; default: now.
        tool: "page", "label_studio", "argilla", "file", or "oracle" (stored answers instead of a person).
        batch_id: id of the batch in which the text was asked; "" if unknown.
        text_hash: `exact_hash` of the text that was shown, or None if the tool does not store it.
        spans: passages marked as the reason.
        comment: free text.
        seconds: active time, without pauses and hidden windows; None if the tool does not report it.
        raw_seconds: time from display to answer, including pauses.
        shown_prediction: whether the person saw the model's suggestion before answering.
        changed_from_suggestion: whether the answer differs from the suggestion; None if none was shown.
        neighbours_opened: whether the person looked at the nearest labelled texts before answering.
        repeat: 0 for the first presentation, 1 for a hidden repeat that measures self-agreement.
        revision: how often this person changed this answer in the tool; decides which answer is newest within a batch,
            because clocks may run backwards.
        schema_version: version of this record.
    """

    uid: str
    annotator: str
    label: str
    labelled_at: str = field(default_factory=now)
    tool: str = "file"
    batch_id: str = ""
    text_hash: str | None = None
    spans: tuple[Span, ...] = ()
    comment: str = ""
    seconds: float | None = None
    raw_seconds: float | None = None
    shown_prediction: bool = False
    changed_from_suggestion: bool | None = None
    neighbours_opened: bool = False
    repeat: int = 0
    revision: int = 0
    schema_version: int = LABEL_SCHEMA_VERSION

    @property
    def decides(self) -> bool:
        """Whether the answer names a class."""
        return self.label not in RESERVED

    @property
    def class_name(self) -> str | None:
        """The class that the answer names; None if it names none."""
        return class_of(self.label) if self.decides else None

    @property
    def key(self) -> str:
        """Hash of the whole content: the same answer imported twice has the same key."""
        return exact_hash(self.as_json())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, fields in the order of the class."""
        return {name: getattr(self, name) for name in FIELDS} | {"spans": [asdict(span) for span in self.spans]}

    def as_json(self) -> str:
        """The content in one line with sorted names; equal for equal content."""
        values = dict(zip(SORTED, SORTED_VALUES(self), strict=True))
        values["spans"] = [{"end": span.end, "start": span.start, "text": span.text} for span in self.spans]
        return ONE_LINE.encode(values)

    def check_text(self, text: str) -> None:
        """Compare with the text as it was exported.

        Raises:
            DataError: the text has changed, or a span does not match it.
        """
        if self.text_hash is not None and self.text_hash != exact_hash(text):
            raise DataError("the text has changed since it was exported; export it again and label the new text")
        for span in self.spans:
            if not 0 <= span.start < span.end <= len(text):
                raise DataError(
                    f"span {span.start}:{span.end} lies outside the text; expected 0 <= start < end <= {len(text)}"
                )
            if text[span.start : span.end] != span.text:
                raise DataError(
                    f"span {span.start}:{span.end} should read {span.text!r}, the text has "
                    f"{text[span.start : span.end]!r} there; offsets count Unicode code points"
                )


FIELDS = tuple(each.name for each in fields(Label))
SORTED = tuple(sorted(FIELDS))
SORTED_VALUES = attrgetter(*SORTED)
ONE_LINE = json.JSONEncoder(allow_nan=False)


def _json_types(hint: Any) -> tuple[type, ...]:
    types = get_args(hint) or (hint,)
    return (int, *types) if float in types else types


LABEL_TYPES: Mapping[str, tuple[type, ...]] = {
    name: _json_types(hint) for name, hint in get_type_hints(Label).items() if name != "spans"
}
"""JSON types of each field of a label; `spans` are checked separately."""

ANY_TYPE = (tuple, list, dict, type(None))


SHOWN = 60
"""Largest number of characters of a wrong value in a message."""

NUMBERS: Mapping[str, int] = {"seconds": 10**9, "raw_seconds": 10**9, "repeat": 1, "revision": 2**53}
"""Largest values of the numbers of a label; the smallest is 0."""


def label_from_dict(values: Any) -> Label:
    """A label from plain JSON values; keys that are not fields are ignored.

    Raises:
        DataError: not an object, another schema version, a missing field, a wrong type, a number that is negative, too
            large or NaN, or a character that UTF-8 cannot encode.
    """
    if not isinstance(values, dict):
        raise DataError(f"expected a JSON object, got {type(values).__name__}")
    version = values.get("schema_version", LABEL_SCHEMA_VERSION)
    if version != LABEL_SCHEMA_VERSION:
        raise DataError(
            f"expected label schema_version {LABEL_SCHEMA_VERSION}, got {version!r}; "
            "import with the version of vos that exported it"
        )
    given = {name: values[name] for name in FIELDS if name in values}
    for name, value in given.items():
        if type(value) not in LABEL_TYPES.get(name, ANY_TYPE):
            _check_type(name, value)
        if isinstance(value, str) and (found := UNPRINTABLE.search(value)):
            raise DataError(f"{name}: expected characters that UTF-8 text can hold, got U+{ord(found[0]):04X}")
    for name in ("uid", "annotator", "label", "labelled_at"):
        if not str(given.get(name, "")).strip():
            raise DataError(f"expected a value in {name!r}, got none")
    for name, most in NUMBERS.items():
        if name in given and not 0 <= (given[name] or 0) <= most:
            raise DataError(f"{name}: expected a number from 0 to {most}, got {str(given[name])[:20]}")
    parse_time(given["labelled_at"])
    if given.get("spans"):
        return Label(**{**given, "spans": _spans(given["spans"])})
    return Label(**{**given, "spans": ()})


def _check_type(name: str, value: Any) -> None:
    """Refuse a value whose type is not allowed for the field; a bool does not count as a number."""
    allowed = LABEL_TYPES.get(name)
    if allowed and (not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)):
        raise DataError(f"{name}: expected {' or '.join(t.__name__ for t in allowed)}, got {short(value)}")


def short(value: object) -> str:
    """A wrong value, shortened for a message.

    Example:
        >>> short("a"), len(short("a" * 1000))
        ("'a'", 63)
    """
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def _spans(values: Any) -> tuple[Span, ...]:
    try:
        spans = tuple(Span(span["start"], span["end"], span["text"]) for span in values or ())
    except (TypeError, KeyError) as error:
        raise DataError(f"spans: expected a list of {{start, end, text}}, got {values!r}") from error
    if any(isinstance(span.text, str) and UNPRINTABLE.search(span.text) for span in spans):
        raise DataError("spans: expected characters that UTF-8 text can hold, found others")
    if any(
        type(span.start) is not int or type(span.end) is not int or not isinstance(span.text, str) for span in spans
    ):
        raise DataError(f"spans: expected whole numbers and text, got {values!r}")
    return spans


@lru_cache(maxsize=4096)  # thousands of answers have the same export time
def parse_time(value: str) -> datetime:
    """Parse a time with a time zone.

    Raises:
        DataError: not ISO 8601, or without a zone.

    Example:
        >>> parse_time("2026-11-21T10:00:00Z").isoformat()
        '2026-11-21T10:00:00+00:00'
    """
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise DataError(f"labelled_at: expected ISO 8601 such as 2026-11-21T10:00:00Z, got {value!r}") from error
    if time.tzinfo is None:
        raise DataError(f"labelled_at: expected a time zone such as the final Z, got {value!r}")
    return time
