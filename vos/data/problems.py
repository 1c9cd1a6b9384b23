"""Invalid rows: listed one by one, or reported in one error."""

from __future__ import annotations

from dataclasses import dataclass

from vos.data.records import Skipped
from vos.errors import DataError

SHOWN_PROBLEMS = 5
"""Largest number of problems that an error lists; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a row.

    Attributes:
        line: line where the row starts.
        source: file, or data set and split.
        column: the column with the problem.
        found: a description of the value; never the text itself, which may be harmful or private.
        expected: what was expected.
        id: the row's id if known.
    """

    source: str
    line: int
    column: str
    found: str
    expected: str
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: column {self.column!r}: found {self.found}, expected {self.expected}"


class ProblemLog:
    """Collects problems: all of them if rows are skipped, otherwise the first `SHOWN_PROBLEMS`, for the error.

    Args:
        skips: skip and list invalid rows; otherwise they raise an error.

    Attributes:
        count: number of problems.
        skipped: the skipped rows.
    """

    def __init__(self, skips: bool = False) -> None:
        self.skips = skips
        self.skipped: list[Skipped] = []
        self.count = 0
        self._first: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Add one invalid row."""
        self.count += 1
        if self.skips:
            reason = f"column {problem.column!r}: found {problem.found}, expected {problem.expected}"
            self.skipped.append(Skipped(problem.source, problem.line, reason, problem.id))
        elif len(self._first) < SHOWN_PROBLEMS:
            self._first.append(problem)

    def raise_if_any(self) -> None:
        """Raise one error for all collected problems.

        Raises:
            DataError: there are invalid rows, and they are not skipped.
        """
        if not self._first:
            return
        rows = "1 bad row" if self.count == 1 else f"{self.count} bad rows"
        more = f" (the first {SHOWN_PROBLEMS} are named)" if self.count > SHOWN_PROBLEMS else ""
        shown = " | ".join(map(str, self._first))
        raise DataError(f"{rows}{more}: {shown}. Correct them, or leave them out with on_bad_row=skip")
