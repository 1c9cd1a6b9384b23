"""Importing answers: rows, the rules by which they enter the ledger, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from vos.data.labels import folded, label_key, nested, spelled
from vos.errors import DataError
from vos.labeling.instructions import changes
from vos.labeling.label import ANSWER, RESERVED, WITHDRAWN, Label, answer_of, label_from_dict, parse_time, short
from vos.labeling.ledger import Ledger
from vos.labeling.safe_csv import restore
from vos.labeling.text_history import TextHistory, text_history
from vos.storage.memory import without_collector
from vos.storage.text_ids import text_uid

REMEMBERED = 10_000
"""Number of texts whose history an import caches; other histories are read again from the ledger."""

CLOCK_SLACK = timedelta(minutes=5)
"""Largest difference between the clocks of two machines without a warning."""

OUTCOMES = (
    *("new", "changed", "duplicate", "older", "withdrawn", "adjudicated", "conflict", "unknown", "rejected", "clock"),
)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row to import.

    Attributes:
        source: file name or URL of the tool.
        line: line of the file, or number of the row in the tool's response.
        label: the answer, or None if the row cannot be read.
        error: the reason; "" if the row can be read.
        settles: whether it is an adjudicator's answer, which settles the text regardless of other answers.
        restores: whether the source has all answers of this person, so that one withdrawn before is valid again.
    """

    source: str
    line: int
    label: Label | None
    error: str = ""
    settles: bool = False
    restores: bool = False


def read_row(source: str, line: int, values: Any, label_map: Mapping[str, str] | None = None) -> LabelRow:
    """Build a row from plain values; a row that cannot be read contains the reason.

    Args:
        source: see `LabelRow`.
        line: see `LabelRow`.
        values: values of one `Label`, optionally with the `text`, whose hash must then be `uid`.
        label_map: raw answer, in any spelling, to class name, "unsure" or "skip"; other answers are not changed.
    """
    try:
        if isinstance(values, dict) and isinstance(values.get("text"), str):
            _check_uid(values)
        if isinstance(values, dict) and nested(values.get("label")) is None:
            values = {**values, "label": _answer(values.get("label"), label_map or {})}
        return LabelRow(source, line, label_from_dict(values))
    except DataError as error:
        return LabelRow(source, line, None, str(error))


_key = lru_cache(maxsize=1024)(label_key)  # few distinct answers, each thousands of times


def _answer(value: Any, label_map: Mapping[str, str]) -> Any:
    key = _key(value) if isinstance(value, str) else label_key(value)
    if key is None or not label_map:
        return value if key is None else key
    by_fold = {folded(str(label_key(raw, ()))): name for raw, name in label_map.items()}
    return by_fold.get(folded(key), key)


def _check_uid(values: Mapping[str, Any]) -> None:
    """Check the text against the uid; also accepts the apostrophe that our CSV files put before formulas."""
    if values.get("uid") not in [text_uid(each) for each in (values["text"], restore(values["text"]))]:
        raise DataError("the text has changed since it was exported (its hash is not the uid)")


@dataclass(frozen=True, slots=True)
class Finding:
    """A message for people about one row.

    Attributes:
        outcome: one of `OUTCOMES`.
        source: file or tool.
        line: see `LabelRow`.
        reason: what was expected, what was found, what to do.
    """

    outcome: str
    source: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.outcome}: {self.reason}"


@dataclass
class ImportReport:
    """The outcomes of all rows.

    Attributes:
        rows: number of rows read.
        counts: number of rows by outcome. Every row is exactly one of new, changed, duplicate, older, withdrawn,
            adjudicated, unknown and rejected; an accepted row may in addition be a conflict (another person answered
            differently) or have a doubtful clock. A duplicate says what is valid already, perhaps at another time; an
            older one is not valid, because the same person has a newer answer or withdrew it.
        findings: messages on rows that are older, unknown, rejected, in conflict, or have a doubtful clock.
        dry_run: whether nothing was stored.
        doubts: warnings about all answers together: batches that asked different questions.
    """

    rows: int = 0
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    findings: list[Finding] = field(default_factory=list)
    dry_run: bool = False
    doubts: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """2 if a row was not accepted, otherwise 0."""
        return 2 if self.counts["rejected"] + self.counts["unknown"] > 0 else 0

    def note(self, outcome: str, row: LabelRow, reason: str = "") -> None:
        """Count one outcome; with a reason it becomes a finding."""
        self.counts[outcome] += 1
        if reason:
            self.findings.append(Finding(outcome, row.source, row.line, reason))


def import_labels(
    ledger: Ledger, rows: Iterable[LabelRow], classes: Collection[str], *, dry_run: bool = False
) -> ImportReport:
    """Import the valid rows into the ledger in one transaction, and report on all rows.

    Answers are matched by uid. Importing the same answer again changes nothing. A different answer of the same person
    is stored in addition and is valid if it is newer (see `newest_answers`); one withdrawn in the tool ("withdrawn") is
    no longer valid but remains in the history, and is valid again if the tool has it again. An adjudicator's answer
    settles its text. Rows with unknown texts, changed texts, unknown classes or damaged fields are not accepted; the
    others are stored.

    Args:
        ledger: ledger of the project.
        rows: see `read_labels`.
        classes: allowed class names, in any spelling, besides "unsure", "skip" and "withdrawn". If a class is called
            "unsure", "class:unsure" is the class and "unsure" the answer; in a file that people filled in, the bare
            word is rejected, and "answer:unsure" must be written for the answer.
        dry_run: only report; the ledger is not changed.
    """
    report = ImportReport(dry_run=dry_run)
    allowed = {*map(answer_of, classes), *RESERVED}
    spelling = cache(lambda raw: spelled(raw, {*allowed, *classes}))
    history = lru_cache(maxsize=REMEMBERED)(lambda uid: text_history(ledger, uid))
    with without_collector(), ledger.transaction(keep=not dry_run):
        for row in rows:
            report.rows += 1
            if row.label is None:
                report.note("rejected", row, row.error)
                continue
            given = row.label
            if (name := spelling(given.label)) != given.label:
                given = replace(given, label=name)
            label, doubt = _as_answer(given, classes)
            known = history(label.uid)
            if known is None:
                report.note("unknown", row, f"no text with uid {label.uid} is in this ledger; is it the right one?")
                continue
            if doubt:
                report.note("rejected", row, doubt)
                continue
            try:
                _check(label, known.text, allowed - {WITHDRAWN} if row.settles else allowed)
            except DataError as error:
                report.note("rejected", row, str(error))
                continue
            outcome = _settle(ledger, label, known) if row.settles else _take(ledger, label, known, row.restores)
            report.note(outcome, row, _why_older(label, known, row.settles) if outcome == "older" else "")
            if outcome in ("new", "changed") and (said := _others(label, known.answers)):
                why = f"{label.annotator} says {label.label}, {said}; kept, see the adjudication list"
                report.note("conflict", row, why)
            if doubt := _clock_doubt(label, known.exported.get(label.batch_id)):
                report.note("clock", row, f"labelled at {label.labelled_at}, {doubt}; kept")
        report.doubts = changes(ledger.instructions(), ledger.answered())
    return report


def _as_answer(label: Label, classes: Collection[str]) -> tuple[Label, str]:
    """The answer as stored in the ledger, and the problem if it is ambiguous."""
    bare = label.label.removeprefix(ANSWER)
    if bare != label.label and bare in RESERVED:
        return replace(label, label=bare), ""
    if label.tool == "file" and label.label in RESERVED and label.label in classes:
        return label, (
            f"{label.label!r} is a class and an answer; expected {answer_of(label.label)!r} for the class or "
            f"{ANSWER + label.label!r} for the answer; translate it with labels.label_map"
        )
    return label, ""


def _check(label: Label, text: str, allowed: set[str]) -> None:
    if label.label not in allowed:
        raise DataError(
            f"expected an answer of {sorted(allowed - {WITHDRAWN})}, got {short(label.label)}; "
            "translate it with labels.label_map"
        )
    label.check_text(text)


def _take(ledger: Ledger, label: Label, known: TextHistory, restores: bool) -> str:
    """Store one person's answer in the ledger and update the newest answers; returns the outcome."""
    place = (label.annotator, label.repeat)
    last = known.newest.get(place)
    if last is not None and restores and _was_withdrawn(label, last):
        later = parse_time(last.labelled_at) + timedelta(milliseconds=1)
        label = replace(label, labelled_at=max(label.labelled_at, later.isoformat(), key=parse_time))
    same = last is not None and label == replace(last, labelled_at=label.labelled_at)
    newer = last is None or known.age(label) >= known.age(last)
    if (same and not newer) or not ledger.record_label(label):
        return "older" if last is not None and last.label == WITHDRAWN != label.label else "duplicate"
    if not newer:
        return "older"
    known.newest[place] = label
    if same:
        return "duplicate"
    if label.label == WITHDRAWN:
        return "withdrawn"
    return "new" if last is None or last.label == WITHDRAWN else "changed"


def _was_withdrawn(label: Label, last: Label) -> bool:
    """Whether this answer was withdrawn; a person who withdraws an answer on the page makes a new revision."""
    return last.label == WITHDRAWN != label.label and (last.batch_id, last.revision) == (label.batch_id, label.revision)


def _settle(ledger: Ledger, label: Label, known: TextHistory) -> str:
    """Store an adjudicator's answer; importing the same file again changes nothing. Returns the outcome."""
    time = parse_time(label.labelled_at)
    answer, since = known.settled or (None, time)
    if (answer == label.label and time <= since) or not ledger.adjudicate(label):
        return "duplicate"
    if time < since:
        return "older"
    known.settled = label.label, time
    return "duplicate" if answer == label.label else "adjudicated"


def _why_older(label: Label, known: TextHistory, settles: bool) -> str:
    """Why an answer is not valid, and what to do."""
    if settles:
        return "an adjudicator has settled this text later; kept in the history"
    last = known.newest[label.annotator, label.repeat]
    if last.label != WITHDRAWN:
        return f"{label.annotator} has a newer answer, {last.label}; kept in the history"
    return (
        f"{label.annotator} or the tool withdrew it at {last.labelled_at}; a file with all answers of its people "
        "brings it back with labels.complete=true"
    )


def _others(label: Label, of_text: Iterable[Label]) -> str:
    """The answers of other people who named another class, in words; "" if there are none."""
    others = {
        other.annotator: other.label
        for other in of_text
        if other.annotator != label.annotator and label.decides and other.decides and other.label != label.label
    }
    return ", ".join(f"{name} said {answer}" for name, answer in sorted(others.items()))


def _clock_doubt(label: Label, exported_at: str | None) -> str:
    time = parse_time(label.labelled_at)
    if exported_at is not None and time < parse_time(exported_at) - CLOCK_SLACK:
        return f"before its export at {exported_at}"
    return "which is in the future" if time > datetime.now(UTC) + CLOCK_SLACK else ""
