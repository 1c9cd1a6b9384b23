"""A cache of features on disk, keyed by the encoder's fingerprint and the text."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vos.storage.bounded import in_use, remove_database
from vos.storage.sqlite import enter_wal, is_damage

logger = logging.getLogger(__name__)

BUSY_SECONDS = 60.0
"""How long to wait for another process that is writing."""

QUERY_ROWS = 500
"""Keys per query; older SQLite builds allow 999 bound variables by default."""


def content_key(text: str) -> bytes:
    """BLAKE2b hash (16 bytes) of the unmodified text, because features depend on every character."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class FeatureCache:
    """A SQLite table from a text's content hash to its features (d,) in float32.

    There is one file per encoder. Several processes may use it at once; a killed process loses at most its last chunk.
    Memory does not grow with the number of rows. A damaged row counts as missing; a damaged file is replaced.

    Args:
        directory: folder of the files; created if missing.
        encoder_fingerprint: see `TextClassifier.encoder_fingerprint`.
        n_features: d.
    """

    def __init__(self, directory: str | Path, encoder_fingerprint: str, n_features: int) -> None:
        self.path = Path(directory) / f"{encoder_fingerprint}.sqlite"
        self._uses = ExitStack()
        self._uses.enter_context(in_use(self.path))
        self.n_features = n_features
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            self._connection = self._anew(error)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        try:
            enter_wal(connection, BUSY_SECONDS)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("CREATE TABLE IF NOT EXISTS checked (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    def _anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Replace a damaged file by an empty one.

        Raises:
            sqlite3.OperationalError: the file is not damaged but locked, or the disk is full.
        """
        if not is_damage(error):
            raise error
        logger.warning("%s is damaged (%s): starting a new one", self.path, error)
        remove_database(self.path)
        return self._connect()

    def get(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Features (n, d) float32 and a mask (n,) bool of the rows that were found; other rows are zero."""
        keys = [content_key(text) for text in texts]
        try:
            found = self._rows(keys)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._connection, found = self._anew(error), {}
        features = torch.zeros(len(keys), self.n_features)
        hit = torch.zeros(len(keys), dtype=torch.bool)
        for row, key in enumerate(keys):
            if key in found and (value := _checked(key, found[key], self.n_features)) is not None:
                features[row] = torch.from_numpy(np.frombuffer(value, dtype="<f4").copy())
                hit[row] = True
        return features, hit

    def _rows(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), QUERY_ROWS):
            part = keys[start : start + QUERY_ROWS]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM checked WHERE key IN ({marks})"  # noqa: S608 - only question marks
            found.update(self._connection.execute(query, part))
        return found

    def put(self, texts: Sequence[str], features: Tensor) -> None:
        """Store features (n, d); a text already stored keeps its first value, unless that is damaged."""
        values = features.detach().cpu().numpy().astype("<f4")
        keys = [content_key(text) for text in texts]
        rows = [(key, _with_sum(key, value.tobytes())) for key, value in zip(keys, values, strict=True)]
        try:
            known = self._rows(keys)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._connection, known = self._anew(error), {}
        damaged = [(key,) for key in keys if key in known and _checked(key, known[key], self.n_features) is None]
        with self._connection:
            self._connection.executemany("DELETE FROM checked WHERE key = ?", damaged)
            self._connection.executemany("INSERT OR IGNORE INTO checked VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the file; the cache cannot be used after."""
        self._connection.close()
        self._uses.close()

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _with_sum(key: bytes, value: bytes) -> bytes:
    return value + zlib.crc32(key + value).to_bytes(4, "little")


def _checked(key: bytes, value: bytes, n_features: int) -> bytes | None:
    """The features of a row; None if the row is damaged."""
    if len(value) != 4 * n_features + 4 or _with_sum(key, value[:-4]) != value:
        return None
    return value[:-4]
