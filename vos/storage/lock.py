"""One process at a time in one folder."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vos.errors import RunError

logger = logging.getLogger(__name__)

LOCK = ".lock"
"""File of the lock within its folder; it stays there, empty of meaning when nobody holds it."""


@contextmanager
def owned(folder: Path, name: str = LOCK, *, wait: bool = False) -> Iterator[None]:
    """Own a folder, which is made when missing, until the block ends.

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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("a+", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder}: expected a folder that can be written to: {error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RunError(
                f"{folder}: {holder} works in this folder; expected nobody: wait until it has ended, end it, or choose "
                "another folder"
            ) from error
        except OSError as error:
            logger.warning("%s: the file system knows no locks (%s); work here with one process only", folder, error)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
