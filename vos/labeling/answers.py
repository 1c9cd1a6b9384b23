"""The rules by which answers enter the ledger, and the report about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vos.errors import DataError
from vos.labeling.backends.sheets import LabelRow
from vos.labeling.label import RESERVED, WITHDRAWN, Label, parse_time
from vos.labeling.ledger import Ledger
from vos.labeling.state import held_answers

CLOCK_SLACK = timedelta(minutes=5)
"""Clocks of two machines may differ by this much before it is said."""

OUTCOMES = ("new", "changed", "duplicate", "withdrawn", "conflict", "unknown", "rejected", "clock")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know about one row.

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
    """What became of every row.

    Attributes:
        rows: rows read.
        counts: rows by outcome. Every row is exactly one of new, changed, duplicate, withdrawn, unknown and rejected;
            those accepted may besides be a conflict (another person answered otherwise) or carry a doubtful clock.
        findings: of the rows that are unknown, rejected, in conflict, or dated by a doubtful clock.
        dry_run: nothing was kept.
    """

    rows: int = 0
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    findings: list[Finding] = field(default_factory=list)
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """1 when a row was turned away, else 0."""
        return int(self.counts["rejected"] + self.counts["unknown"] > 0)

    def note(self, outcome: str, row: LabelRow, reason: str = "") -> None:
        """Count one outcome; with a reason it becomes a finding."""
        self.counts[outcome] += 1
        if reason:
            self.findings.append(Finding(outcome, row.source, row.line, reason))


def import_labels(
    ledger: Ledger, rows: Iterable[LabelRow], classes: Collection[str], *, dry_run: bool = False
) -> ImportReport:
    """Take the good rows into the ledger in one transaction, and report on all of them.

    Answers are matched by uid. The same answer again changes nothing. Another answer of the same person is kept beside
    the older one and holds if it is newer (see `newest_answers`); one taken back in the tool ("withdrawn") no longer
    holds and stays in the history. Rows about unknown texts, texts that have changed,
    unknown classes, or with damaged fields are turned away; the others are kept.

    Args:
        ledger: of the project.
        rows: see `read_labels`.
        classes: names that an answer may have, beside "unsure", "skip" and "withdrawn".
        dry_run: rehearse: the report is the same, the ledger stays as it is.
    """
    report = ImportReport(dry_run=dry_run)
    allowed = {*classes, *RESERVED}
    with ledger.transaction(keep=not dry_run):
        answers = _answers(ledger)
        exported = {(event.uid, event.batch): event.at for event in ledger.events("exported")}
        for row in rows:
            report.rows += 1
            if row.label is None:
                report.note("rejected", row, row.error)
                continue
            text = ledger.text(row.label.uid)
            if text is None:
                report.note("unknown", row, f"no text with uid {row.label.uid} is in this ledger; is it the right one?")
                continue
            try:
                _check(row.label, text, allowed)
            except DataError as error:
                report.note("rejected", row, str(error))
                continue
            _take(ledger, row, row.label, answers, report)
            _check_clock(row, row.label, exported.get((row.label.uid, row.label.batch_id)), report)
    return report


def _answers(ledger: Ledger) -> dict[str, dict[tuple[str, int], Label]]:
    answers: dict[str, dict[tuple[str, int], Label]] = {}
    for (uid, annotator, repeat), label in held_answers(ledger).items():
        answers.setdefault(uid, {})[annotator, repeat] = label
    return answers


def _check(label: Label, text: str, allowed: set[str]) -> None:
    if label.label not in allowed:
        raise DataError(
            f"expected an answer of {sorted(allowed - {WITHDRAWN})}, got {label.label!r}; "
            "translate it with labels.label_map"
        )
    label.check_text(text)


def _take(
    ledger: Ledger,
    row: LabelRow,
    label: Label,
    answers: dict[str, dict[tuple[str, int], Label]],
    report: ImportReport,
) -> None:
    if not ledger.record_label(label):
        report.note("duplicate", row)
        return
    of_text = answers.setdefault(label.uid, {})
    if label.label == WITHDRAWN:
        of_text.pop((label.annotator, label.repeat), None)
        report.note("withdrawn", row)
        return
    report.note("changed" if (label.annotator, label.repeat) in of_text else "new", row)
    others = {
        other.annotator: other.label
        for (annotator, _), other in of_text.items()
        if annotator != label.annotator and other.decides and other.label != label.label
    }
    of_text[label.annotator, label.repeat] = label
    if label.decides and others:
        said = ", ".join(f"{name} said {answer}" for name, answer in sorted(others.items()))
        report.note("conflict", row, f"{label.annotator} says {label.label}, {said}; kept, see the adjudication list")


def _check_clock(row: LabelRow, label: Label, exported_at: str | None, report: ImportReport) -> None:
    time = parse_time(label.labelled_at)
    if exported_at is not None and time < parse_time(exported_at) - CLOCK_SLACK:
        report.note("clock", row, f"labelled at {label.labelled_at}, before its export at {exported_at}; kept")
    elif time > datetime.now(UTC) + CLOCK_SLACK:
        report.note("clock", row, f"labelled at {label.labelled_at}, which is in the future; kept")
