"""Workarounds for pitfalls of SQLite."""

import sqlite3
import time


def enter_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Switch the database to write-ahead logging, waiting up to `seconds` for other processes.

    While one process switches a new database, another one that tries the same gets "database is locked" at once,
    because SQLite does not call the busy handler for this statement.

    Raises:
        sqlite3.OperationalError: still locked after `seconds`, or another failure.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite found a damaged file, as opposed to a locked or missing file or a full disk."""
    known = ("malformed", "not a database", "no such column", "no such table", "already exists")
    return type(error) is sqlite3.DatabaseError or any(words in str(error) for words in known)
