"""Replies on disk, keyed by everything that was asked: a run that goes on pays for no request twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vos.generation.server.replies import Reply
from vos.storage.bounded import in_use
from vos.storage.json_files import json_line
from vos.storage.sqlite import enter_wal

BUSY_SECONDS = 60.0
"""How long to wait for another process that writes."""


class RequestCache:
    """A SQLite table from the hash of a request to its reply. Threads and processes may share it.

    Args:
        directory: where the file lies; made if missing.
        url: of the server: two servers may call two models by one name.
    """

    def __init__(self, directory: str | Path, url: str) -> None:
        self.url, self._lock = url, threading.Lock()
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = Path(directory) / f"{name}.sqlite"
        # Kept from being removed for as long as this object lives.
        uses = ExitStack()
        uses.enter_context(in_use(self.path))
        self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        enter_wal(self._connection, BUSY_SECONDS)
        self._connection.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID")
        self._connection.commit()
        uses.callback(self._connection.close)
        self._closing = weakref.finalize(self, uses.close)

    def get(self, path: str, body: Mapping[str, Any]) -> Reply | None:
        """The reply to a body sent to a path, or None."""
        with self._lock:
            found = self._connection.execute(
                "SELECT reply FROM replies WHERE key = ?", [self._key(path, body)]
            ).fetchone()
        return None if found is None else Reply.from_row(json.loads(found[0]))

    def put(self, path: str, body: Mapping[str, Any], reply: Reply) -> None:
        """Keep a reply; it is on the disk when this returns. The first one to a request stays."""
        row = (self._key(path, body), json_line(asdict(reply)))
        with self._lock, self._connection:
            self._connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", row)

    def close(self) -> None:
        """Close the file; the cache cannot be used after."""
        self._closing()

    def _key(self, path: str, body: Mapping[str, Any]) -> str:
        asked = json.dumps([self.url, path, body], sort_keys=True, allow_nan=False)
        return hashlib.sha256(asked.encode()).hexdigest()
