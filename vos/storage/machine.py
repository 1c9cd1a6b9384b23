"""Recognises errors of the machine, not the program: a full disk, a missing folder, no memory, a damaged file."""

from __future__ import annotations

import errno
import sqlite3
from concurrent.futures import BrokenExecutor

from safetensors import SafetensorError

ENVIRONMENT = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG, errno.EFBIG, errno.EIO, errno.ESTALE),
    *(errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.ENOTEMPTY, errno.EBUSY),
    *(errno.EMFILE, errno.ENFILE),
)
"""System errors that a user can fix: a full disk, or a folder that is read-only, forbidden, missing, or a file."""

NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "std::bad_alloc",
    "out of memory",
    "could not create a primitive",
    "failed to map segment",
)
"""Messages of libraries that run out of memory, each with its own exception class."""

NO_THREAD = ("can't start new thread", "Resource temporarily unavailable")

NOT_WRITTEN = (
    *("PytorchStreamWriter failed", "unexpected pos", "iostream error", "No space left on device", "File too large"),
    *("Read-only file system", "Parent directory", "I/O error", "No such file or directory"),
)
"""Messages of libraries that cannot write a file."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, processes or threads ran out, whatever its class.

    Code that continues without a missing or damaged file must check this first, so that it does not treat a lack of
    memory as a missing file.

    Example:
        >>> out_of_memory(RuntimeError("an allocator: can't allocate memory")), out_of_memory(ImportError("no a"))
        (True, False)
    """
    said = str(error)
    own = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if own or any(words in said for words in (*NO_MEMORY, *NO_THREAD)):
        return True
    return error.__cause__ is not None and out_of_memory(error.__cause__)


def machine_lacks(error: BaseException) -> str | None:
    """What the machine lacks for a job, in words; None if it lacks nothing, so that the error is a bug of the program.

    Args:
        error: an exception of a library or the system; its causes are checked too.

    Example:
        >>> machine_lacks(MemoryError()), machine_lacks(KeyError("a"))
        ('memory is short (MemoryError); end other programs, or take less at a time', None)
    """
    said = str(error)
    if isinstance(error, OSError) and error.errno in ENVIRONMENT:
        return f"{error.filename or 'a file'}: cannot be read, written or made ({error.strerror})"
    if isinstance(error, MemoryError) or any(words in said for words in NO_MEMORY):
        return f"memory is short ({said[:200] or type(error).__name__}); end other programs, or take less at a time"
    if isinstance(error, BrokenExecutor) or any(words in said for words in NO_THREAD):
        return f"a process or thread could not be started, or ended ({said[:200]}), perhaps for lack of memory"
    if isinstance(error, sqlite3.OperationalError):
        return f"a file of SQLite cannot be read or written ({said}): is the disk full, or another process there?"
    if isinstance(error, sqlite3.DatabaseError):
        return f"a file of SQLite is damaged ({said}); of a cache: delete it"
    if isinstance(error, RuntimeError | SafetensorError) and any(words in said for words in NOT_WRITTEN):
        return f"a file cannot be written ({said[:200]}): is the disk full, or the folder gone?"
    if isinstance(error, SafetensorError):
        return f"a file of weights is damaged ({said[:200]})"
    cause = error.__cause__
    return None if cause is None else machine_lacks(cause)
