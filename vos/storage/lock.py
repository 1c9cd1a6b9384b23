"""One process at a time in one folder."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from vos.errors import RunError

PATIENCE = 600.0
"""Seconds that another process may hold what takes it seconds."""

TRIES = 1000
"""Times that a folder may go away while it is about to be owned."""

logger = logging.getLogger(__name__)

LOCK = ".lock"
"""File of the lock within its folder, there while somebody holds it, or after a process was killed."""


@contextmanager
def owned(folder: Path, name: str = LOCK, *, wait: bool = False) -> Iterator[None]:
    """Own a folder until the block ends; one that is missing is made, and removed again where nothing was put into it.

    The lock is advisory and the system's own (`flock`): it goes with the process, so that one that was killed leaves
    nothing to clear away. Readers need none. Where the file system knows no locks this is said, and the work goes on.

    Args:
        folder: to own.
        name: of the file of the lock; another name is another lock.
        wait: for the other process to finish; False refuses at once.

    Raises:
        RunError: another process owns the folder (names it), or the folder cannot be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, owned(Path(folder)):
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['.lock']
    """
    made = not folder.exists()
    with _locked(folder, name, wait) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            (folder / name).unlink(missing_ok=True)
            if made:
                with suppress(OSError):  # something was written into it
                    folder.rmdir()


def lock_within(file: TextIO, why: str, seconds: float = PATIENCE) -> None:
    """Take the lock of an open file, for as long as it is open.

    Args:
        file: to lock.
        why: who holds it, for the message.
        seconds: after which it is given up: a process that was stopped holds its locks for ever.

    Raises:
        RunError: another process has held it all the time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise RunError(f"{why} for {seconds:.0f} s; end it, or repeat the command when it is done") from error
            time.sleep(0.05)
        else:
            return


def _locked(folder: Path, name: str, wait: bool) -> TextIO:
    """The open file of the lock, which is held until it is closed."""
    tries = 0
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / name).open("a+", encoding="utf-8")
        except OSError as error:
            # Another process may remove a folder that it made and left empty, between two of these lines.
            tries += 1
            if isinstance(error, FileExistsError | FileNotFoundError) and not folder.is_file() and tries < TRIES:
                continue
            raise RunError(f"{folder}: expected a folder that can be written to: {error}") from error
        try:
            _take(file, folder, wait)
        except BaseException:
            file.close()
            raise
        # Whoever held it may have removed the file since it was opened here: a lock without a name is worth nothing.
        if _is_still(file, folder / name):
            return file
        file.close()


def _is_still(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _take(file: TextIO, folder: Path, wait: bool) -> None:
    try:
        if wait:
            lock_within(file, f"{folder}: another process works in this folder")
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        raise RunError(
            f"{folder}: {holder} works in this folder; expected nobody: wait until it has ended, end it, or choose "
            "another folder"
        ) from error
    except OSError as error:
        logger.warning("%s: the file system knows no locks (%s); work here with one process only", folder, error)
