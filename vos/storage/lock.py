"""Locks: one process at a time in one folder."""

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
"""Seconds to wait for a lock that is normally held for seconds."""

TRIES = 1000
"""Number of retries if a folder disappears while it is being locked."""

logger = logging.getLogger(__name__)

LOCK = ".lock"
"""Lock file within its folder; it exists while the lock is held, or after a process was killed."""


@contextmanager
def owned(folder: Path, name: str = LOCK, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder for the duration of the block; a missing folder is created, and removed if it remains empty.

    The lock is an advisory lock of the system (`flock`): it ends with the process, so a killed process leaves nothing
    to clean up. Readers need no lock. If the file system does not support locks, a warning is logged and work
    continues.

    Args:
        folder: folder to lock.
        name: name of the lock file; different names are different locks.
        wait: wait for the other process to finish; False: raise at once.

    Raises:
        RunError: another process has locked the folder (the message names it), or the folder is not writable.

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
    """Lock an open file for as long as it is open.

    Args:
        file: file to lock.
        why: who may hold the lock, for the message.
        seconds: timeout, because a stopped process holds its locks for ever.

    Raises:
        RunError: another process held the lock until the timeout.
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
    """The open lock file; the lock is held until it is closed."""
    tries = 0
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / name).open("a+", encoding="utf-8")
        except OSError as error:
            # Between these lines another process may remove a folder that it created and left empty.
            tries += 1
            if isinstance(error, FileExistsError | FileNotFoundError) and not folder.is_file() and tries < TRIES:
                continue
            raise RunError(f"{folder}: expected a folder that can be written to: {error}") from error
        try:
            _take(file, folder, wait)
        except BaseException:
            file.close()
            raise
        # The previous holder may have removed the file since it was opened here: a lock on a removed file is useless.
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
