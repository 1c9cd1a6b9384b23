"""The ledger's tables and rows, and its database connection."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos.errors import LedgerError
from vos.storage.sqlite import enter_wal

LEDGER_VERSION = 1

CACHE_MIB = 256
"""Size of SQLite's page cache: index entries arrive in random order of their hashes, so with a smaller cache a ledger
of millions of answers would read and write the same pages again and again."""

CHECKED_MIB = 64
"""Size up to which the whole file is checked when it is opened, which takes a quarter of a second."""

SMALLEST = 512
"""Size in bytes of the smallest SQLite file."""

BUSY_SECONDS = 60.0
"""How long a writer waits for another process to finish its transaction."""

TABLES = """
CREATE TABLE items (
  uid TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  round INTEGER NOT NULL,
  record TEXT NOT NULL,  -- the payload, JSON
  crc INTEGER
) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('proposed', 'exported', 'sent', 'labelled', 'adjudicated', 'trained')),
  uid TEXT NOT NULL REFERENCES items (uid),
  batch TEXT,
  who TEXT,
  payload TEXT NOT NULL,
  crc INTEGER
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
"""Table of the instructions of each batch; it is added to older ledgers when they are opened."""


# Triggers forbid rewriting history, even by mistake in an SQLite console.
def _triggers(*tables: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in tables
        for verb in ("UPDATE", "DELETE")
    ]


SUMS = ("items", "events")
"""Tables with a column `crc`, the checksum of a row; empty in rows of an older version."""


NEW_EVENT = (
    "INSERT INTO events (key, at, kind, uid, batch, who, payload, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING"
)


def row_sum(*values: object) -> int:
    """CRC-32 of the values of a row, as stored in its column `crc`."""
    text = "\x1f".join("" if value is None else str(value) for value in values)
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def checked_rows(
    connection: sqlite3.Connection, path: Path, n: int, query: str, values: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query, whose column `n` is the checksum of the first `n` columns.

    Raises:
        LedgerError: the file or a row is damaged.
    """
    try:
        for row in connection.execute(query, values):
            if row[n] is not None and row[n] != row_sum(*row[:n]):
                raise LedgerError(f"{path}: a row is not what was written; restore a copy of the file")
            yield row
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}; it cannot be read: restore a copy of it") from error


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger.

    Attributes:
        seq: order of arrival.
        at: time by this machine's clock, ISO 8601.
        kind: "proposed", "exported", "sent" (confirmed by a tool), "labelled", "adjudicated" or "trained".
        uid: uid of the text.
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
    """Open the ledger at `path`, and create it if it does not exist.

    WAL lets one process write while others read; `synchronous=FULL` syncs every commit to disk before it is confirmed.

    Raises:
        LedgerError: not a ledger, of another version, or not readable.
    """
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        if path.stat().st_size < SMALLEST:
            raise sqlite3.DatabaseError(f"it has {path.stat().st_size} bytes, and no ledger has so few; restore a copy")
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        enter_wal(connection, BUSY_SECONDS)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_MIB * 1024}")
        _create(connection)
        _complete(connection)
        _check(connection, path)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise LedgerError(f"{path}: expected a ledger (SQLite), got: {error}") from error
    if version != LEDGER_VERSION:
        connection.close()
        raise LedgerError(f"{path}: expected ledger version {LEDGER_VERSION}, got {version}; use the vos that wrote it")
    return connection


def _make(path: Path) -> None:
    """Create a new ledger atomically, so that an empty file is recognised as truncated and not taken for a new one."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    connection = sqlite3.connect(partial, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _create(connection)
        connection.close()
        os.link(partial, path)  # if another process was faster, its ledger is kept
    except FileExistsError:
        return
    finally:
        connection.close()
        partial.unlink(missing_ok=True)


def _create(connection: sqlite3.Connection) -> None:
    """Create the tables once: the write lock is taken before the check, so that two processes cannot both do it."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, LEDGER_VERSION) or (version and _has_sums(connection)):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if empty and connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in [*TABLES.split(";"), ASKED, *_triggers("items", "events", "instructions")]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
        for table in SUMS:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if columns and "crc" not in columns:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _complete(connection: sqlite3.Connection) -> None:
    """Add the table `instructions` to a ledger without it; safe for two processes at once."""
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


def _has_sums(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT count(*) FROM pragma_table_info('events') WHERE name = 'crc'").fetchone()
    return bool(found[0])


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file with damaged pages or indexes; a large file is only checked where it is read.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    if path.stat().st_size <= CHECKED_MIB * 2**20:
        said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said == "ok" and connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            said = "an event of a text that is not there"
        if said != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({said}); restore a copy")
