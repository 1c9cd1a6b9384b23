"""The ledger's tables and their rows, and the connection that every reader and writer uses."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos.errors import LedgerError
from vos.storage.sqlite import enter_wal

LEDGER_VERSION = 1

CACHE_MIB = 256
"""Pages of the file held in memory at most: entries of an index arrive in the order of their hashes, and a smaller
cache reads and writes the same pages again and again in a ledger of millions of answers."""

BUSY_SECONDS = 60.0
"""How long a writer waits for another process to finish its transaction."""

TABLES = """
CREATE TABLE items (
  uid TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  round INTEGER NOT NULL,
  record TEXT NOT NULL  -- the payload, JSON
) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('proposed', 'exported', 'sent', 'labelled', 'adjudicated', 'trained')),
  uid TEXT NOT NULL REFERENCES items (uid),
  batch TEXT,
  who TEXT,
  payload TEXT NOT NULL
);
CREATE INDEX events_by_uid ON events (uid, kind);
CREATE INDEX events_by_kind ON events (kind, batch);
"""

ASKED = """
CREATE TABLE instructions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  batch TEXT NOT NULL,
  question TEXT NOT NULL,
  guidelines TEXT NOT NULL
)"""
"""What each batch asked; ledgers that are older than this table get it when they are opened."""


# History is never rewritten, not even by a slip of the pen in a console.
def _triggers(*tables: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in tables
        for verb in ("UPDATE", "DELETE")
    ]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger.

    Attributes:
        seq: order of arrival.
        at: by this machine's clock, ISO 8601.
        kind: "proposed", "exported", "sent" (a tool has acknowledged it), "labelled", "adjudicated" or "trained".
        uid: of the text.
        batch: batch id of "exported", "sent" and "labelled"; run name of "trained".
        who: tool of "exported" and "sent"; person of "labelled" and "adjudicated".
        payload: the rest.
    """

    seq: int
    at: str
    kind: str
    uid: str
    batch: str | None
    who: str | None
    payload: dict[str, Any]


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger at `path`, and make it where there is none.

    WAL lets one process write while others read; `synchronous=FULL` puts every commit on the disk before it is
    acknowledged.

    Raises:
        LedgerError: not a ledger, of another version, or not readable.
    """
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        enter_wal(connection, BUSY_SECONDS)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_MIB * 1024}")
        _create(connection)
        _complete(connection)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise LedgerError(f"{path}: expected a ledger (SQLite), got: {error}") from error
    if version != LEDGER_VERSION:
        connection.close()
        raise LedgerError(f"{path}: expected ledger version {LEDGER_VERSION}, got {version}; use the vos that wrote it")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, once: the write lock is taken before looking, so two processes cannot both make them."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != 0:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if empty and connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in [*TABLES.split(";"), ASKED, *_triggers("items", "events", "instructions")]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _complete(connection: sqlite3.Connection) -> None:
    """Add the table `instructions` to a ledger that has none; two processes at once add it once."""
    there = "SELECT count(*) FROM sqlite_master WHERE name = 'instructions'"
    if connection.execute("PRAGMA user_version").fetchone()[0] != LEDGER_VERSION:
        return
    if connection.execute(there).fetchone()[0]:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not connection.execute(there).fetchone()[0]:
            for statement in [ASKED, *_triggers("instructions")]:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
