"""Messages of a run on the screen: what is said, without dates and names of modules, which the log file has."""

from __future__ import annotations

import logging
import re
import sys

from vos.cli.processes import is_first
from vos.console import say

LOGGED = (
    r".*LOAD REPORT",  # of transformers, about heads that are new; `vos.models.missing` tells of all others
)
"""Messages that libraries log and a user can do nothing about, as regular expressions; the log file has them."""


class LineHandler(logging.Handler):
    """Prints messages as lines of the console, those of a higher level with a word before them.

    Of several processes that train together only the first says what is no warning.
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
    """A warning of Python in one line: category and text, and where it was raised."""
    place, _, said = message.partition(": ")
    return f"{' '.join(said.splitlines()[0].split())} ({place})" if said else message


def is_noise(message: str) -> bool:
    """Whether a message that a library logged is of no use to a user."""
    return any(re.match(each, message, re.DOTALL) for each in LOGGED)
