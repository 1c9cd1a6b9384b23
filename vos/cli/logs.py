"""Log messages of a run on the screen, without dates and module names, which are in the log file."""

from __future__ import annotations

import logging
import re
import sys

from vos.cli.processes import is_first
from vos.console import say

LOGGED = (
    r".*LOAD REPORT",  # transformers on new heads; others: `vos.models.missing`
)
"""Regular expressions of library messages that a user can do nothing about; they appear only in the log file."""


class LineHandler(logging.Handler):
    """Prints messages as console lines, with the level as a prefix if it is above INFO.

    With several training processes, only the first prints messages below WARNING.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        if record.levelno < logging.WARNING and not is_first():
            return
        try:
            message = record.getMessage().strip().expandtabs(2)
            if is_noise(message):
                return
            if record.name == "py.warnings":
                message = _of_python(message)
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            say(f"{level}{message}", style="yellow" if level else None)
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


def _of_python(message: str) -> str:
    """A Python warning in one line: category, text and location."""
    place, _, said = message.partition(": ")
    return f"{' '.join(said.splitlines()[0].split())} ({place})" if said else message


def is_noise(message: str) -> bool:
    """Whether a library's message is of no use to a user."""
    return any(re.match(each, message, re.DOTALL) for each in LOGGED)
