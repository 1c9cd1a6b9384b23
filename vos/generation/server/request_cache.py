"""Replies on disk, keyed by the whole request, so that a resumed run pays for no request twice."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vos.errors import ServerError
from vos.generation.server.replies import Reply
from vos.storage.bounded import in_use, remove_database
from vos.storage.json_files import json_line
from vos.storage.sqlite import enter_wal, is_damage

logger = logging.getLogger(__name__)

BUSY_SECONDS = 60.0
"""Seconds to wait for another process that writes."""


class RequestCache:
    """A SQLite table from the hash of a request to its reply. Threads and processes may share it.

    Args:
        directory: folder of the file; created if missing.
        url: address of the server, as two servers may use one name for two models.
    """

    def __init__(self, directory: str | Path, url: str) -> None:
        self.url, self._lock = url, threading.Lock()
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = Path(directory) / f"{name}.sqlite"
        # Protected from removal during the lifetime of this object.
        uses = ExitStack()
        uses.enter_context(in_use(self.path))
        try:
            self._connection = _connect(self.path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            logger.warning("%s is damaged (%s): starting a new one", self.path, error)
            remove_database(self.path)
            self._connection = _connect(self.path)
        uses.callback(self._connection.close)
        self._closing = weakref.finalize(self, uses.close)

    def get(self, path: str, body: Mapping[str, Any]) -> Reply | None:
        """The reply to a body sent to a path; None if there is none, or it is damaged.

        Raises:
            ServerError: the file is damaged.
        """
        try:
            with self._lock:
                found = self._connection.execute(
                    "SELECT reply FROM replies WHERE key = ?", [self._key(path, body)]
                ).fetchone()
        except sqlite3.DatabaseError as error:
            raise ServerError(f"{self.path}: a cache of replies that cannot be read ({error}); delete it") from error
        return None if found is None else _reply(str(found[0]))

    def put(self, path: str, body: Mapping[str, Any], reply: Reply) -> None:
        """Store a reply; it is on disk when this returns. The first reply to a request is kept."""
        key, line = self._key(path, body), json_line(asdict(reply))
        with self._lock, self._connection:
            found = self._connection.execute("SELECT reply FROM replies WHERE key = ?", [key]).fetchone()
            if found is not None and _reply(str(found[0])) is None:
                self._connection.execute("DELETE FROM replies WHERE key = ?", [key])
            row = (key, f"{line}\n{_sum(line)}")
            self._connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", row)

    def close(self) -> None:
        """Close the file; the cache cannot be used afterwards."""
        self._closing()

    def _key(self, path: str, body: Mapping[str, Any]) -> str:
        asked = json.dumps([self.url, path, body], sort_keys=True, allow_nan=False)
        return hashlib.sha256(asked.encode()).hexdigest()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        enter_wal(connection, BUSY_SECONDS)
        connection.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _reply(row: str) -> Reply | None:
    """A stored reply; None if it is damaged. Older rows have no checksum."""
    line, has_sum, total = row.partition("\n")
    try:
        return None if has_sum and total != _sum(line) else Reply.from_row(json.loads(line))
    except (ValueError, TypeError, KeyError):
        return None


def _sum(line: str) -> str:
    return f"{zlib.crc32(line.encode('utf-8', 'surrogatepass')):08x}"
