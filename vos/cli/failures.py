"""Failures in one line with an exit code, and what a failed start leaves behind: nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from hydra.errors import InstantiationException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from vos.console import complain
from vos.errors import VosError
from vos.storage.machine import machine_lacks

BUG, FAILED, MISMATCH, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: an error of this package; settings, data or a machine that cannot be used; a checked file with a wrong
value; stopped by the user."""

FAILURE = "failed.json"
"""In the folder of a run that failed within a sweep: what was asked and what went wrong."""

STARTED = re.compile(
    r"[\w-]+\.log|\.lock|manifest\.json|config\.yaml|overrides\.yaml|skipped\.jsonl|train\.jsonl|new_labels\.json"
)
"""Files of a run that has begun and computed nothing yet."""


def explanation(error: BaseException) -> str | None:
    """What went wrong, in one line; None for an error that is a fault of this package."""
    if isinstance(error, InstantiationException):
        # Hydra wraps what a constructor raised, and knows which setting named the constructor.
        place = str(error).rsplit("full_key: ", 1)[-1].strip()
        if isinstance(error.__cause__, VosError):
            return _line(f"{place}: {error.__cause__}")
        return _line(str(error)) if "locating" in str(error) else None
    if isinstance(error, OmegaConfBaseException):
        wanted = isinstance(error, MissingMandatoryValue)
        return f"{error.full_key}: {'expected a value, found none' if wanted else _line(str(error))}"
    if isinstance(error, VosError):
        return _line(str(error))
    lacking = machine_lacks(error)
    return None if lacking is None else _line(lacking)


def _line(message: str) -> str:
    return " ".join(message.split())


def end(message: str, error: BaseException, code: int = FAILED) -> NoReturn:
    """Say what went wrong, and end the program."""
    complain(f"error: {message}")
    raise SystemExit(code) from error


def discard_start(directory: Path) -> None:
    """Remove the folder of a run that has computed nothing yet; one that holds anything else stays.

    Folders above it are removed too where they are empty and carry the date that this program names folders by.
    """
    if not directory.is_dir() or not all(STARTED.fullmatch(path.name) for path in directory.iterdir()):
        return
    for path in directory.iterdir():
        path.unlink(missing_ok=True)
    directory.rmdir()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", directory.parent.name):
        for parent in (directory.parent, directory.parent.parent):
            if any(parent.iterdir()):
                return
            parent.rmdir()
