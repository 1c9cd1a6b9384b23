"""Bad rows, told one by one or ended in one error."""

from __future__ import annotations

from dataclasses import dataclass

from vos.data.records import Skipped
from vos.errors import DataError

SHOWN_PROBLEMS = 5
"""Problems that an error spells out; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row.

    Attributes:
        line: where the row starts.
        source: file, or data set and split.
        column: the column at fault.
        found: what stands there; never the text itself, which may be harmful or private.
        expected: what should stand there.
        id: the row's id where known.
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
    """Collects problems. Only the first `SHOWN_PROBLEMS` are kept when they end in an error, all when rows are skipped.

    Args:
        skips: bad rows are left out and listed; otherwise they end in an error.

    Attributes:
        count: how many there were.
        skipped: rows that were left out.
    """

    def __init__(self, skips: bool = False) -> None:
        self.skips = skips
        self.skipped: list[Skipped] = []
        self.count = 0
        self._first: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Note one bad row."""
        self.count += 1
        if self.skips:
            reason = f"column {problem.column!r}: found {problem.found}, expected {problem.expected}"
            self.skipped.append(Skipped(problem.source, problem.line, reason, problem.id))
        elif len(self._first) < SHOWN_PROBLEMS:
            self._first.append(problem)

    def raise_if_any(self) -> None:
        """End in one error for everything noted.

        Raises:
            DataError: there are bad rows, and bad rows are not skipped.
        """
        if not self._first:
            return
        rows = "1 bad row" if self.count == 1 else f"{self.count} bad rows"
        more = f" (the first {SHOWN_PROBLEMS} are named)" if self.count > SHOWN_PROBLEMS else ""
        shown = " | ".join(map(str, self._first))
        raise DataError(f"{rows}{more}: {shown}. Correct them, or leave them out with on_bad_row=skip")
