"""Reports failures in one line with an exit code, and removes what a failed start left behind."""

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
"""Exit codes: a bug of this package; unusable settings, data or machine; a verified file with a wrong value; stopped by
the user."""

FAILURE = "failed.json"
"""File in the folder of a failed run of a sweep, with its overrides and its error."""

STARTED = re.compile(
    r"[\w-]+\.log|\.lock|manifest\.json|config\.yaml|overrides\.yaml|skipped\.jsonl|train\.jsonl|new_labels\.json"
)
"""Files of a run that has started but computed nothing yet."""


def explanation(error: BaseException) -> str | None:
    """The error in one line; None for a bug of this package."""
    if isinstance(error, InstantiationException):
        # Hydra wraps a constructor's error, and knows which setting named the constructor.
        place = str(error).rsplit("full_key: ", 1)[-1].strip()
        if isinstance(error.__cause__, VosError):
            return _line(f"{place}: {error.__cause__}")
        if error.__cause__ is not None and (lacking := machine_lacks(error.__cause__)) is not None:
            return _line(f"{place}: {lacking}")
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
    """Print the error, and end the program."""
    complain(f"error: {message}")
    raise SystemExit(code) from error


def discard_start(directory: Path) -> None:
    """Remove the folder of a run that has computed nothing yet; a folder with other files is kept.

    Empty parent folders that are named by date, as this program names them, are removed too.
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
