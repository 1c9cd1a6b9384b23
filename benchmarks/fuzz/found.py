"""How the package reads a file of texts: rows loaded, rows rejected, or one error that names the file."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzz.outcome import Outcome
from vos.data.files import tolerant_rows
from vos.data.problems import ProblemLog
from vos.data.settings import FileFormat, RowSettings
from vos.data.sources import FileData
from vos.data.validation import parse_rows
from vos.errors import DataError, VosError


class Broken(Exception):
    """An error that is not of the package, or does not say where."""


def read_table(path: Path, layout: FileFormat) -> Outcome:
    """Rows with their text and label; every other row by its line."""
    settings = RowSettings(on_bad_row="skip")
    log = ProblemLog(skips=True)
    found = Outcome()
    try:
        rows = tolerant_rows(path, layout, settings.named())
        for row in parse_rows(str(path), rows, settings, log):
            found.rows[row.line] = (row.example.text, row.raw_label)
    except DataError as error:
        return Outcome(refused=told(error, str(path)))
    found.rejected = {each.line: each.reason for each in log.skipped}
    return found


def told(error: Exception, *parts: str) -> str:
    """The message of an error: one line that holds each of `parts`, and can be written.

    Raises:
        Broken: it is not.
    """
    message = str(error)
    if any(part not in message for part in parts):
        raise Broken(f"a message that does not name {parts}: {message[:300]!r}") from error
    if "\n" in message or "\r" in message:
        raise Broken(f"a message of several lines: {message[:300]!r}") from error
    try:
        message.encode()
    except UnicodeError:
        raise Broken(f"a message that cannot be written: {message[:300]!r}") from error
    return message


def load_whole(path: Path, layout: FileFormat, expected: int) -> str:
    """Load the file as training texts; in words, what is wrong with the result, "" for nothing.

    Args:
        path: of the file.
        layout: how it is read.
        expected: rows that it has; each is an example or stands in the list of what was left out.
    """
    settings = {"separator": layout.separator, "quoted": layout.quoted, "encoding": layout.encoding}
    try:
        data = FileData(train=path, on_bad_row="skip", test_share=0.3, **settings).load()
    except VosError as error:
        told(error)
        return ""
    kept = len(data.train) + len(data.val) + len(data.test)
    if kept + len(data.skipped) != expected:
        return f"of {expected} rows {kept} were kept and {len(data.skipped)} named"
    written = "".join([*data.label_names, *(each.id + each.text for each in data.train)])
    written.encode()  # what a run keeps of its texts and classes
    return ""
