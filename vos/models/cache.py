"""Features on disk, keyed by the encoder's fingerprint and the text's content."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vos.storage.bounded import in_use
from vos.storage.sqlite import enter_wal

BUSY_SECONDS = 60.0
"""How long to wait for another process that writes."""

QUERY_ROWS = 500
"""Keys a query; SQLite's default limit of bound variables is 999 in old builds."""


def content_key(text: str) -> bytes:
    """BLAKE2b (16 bytes) of the text as it is: features depend on every character."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class FeatureCache:
    """A SQLite table from a text's content hash to its features (d,) in float32.

    One file an encoder. Several processes may use it at once; a killed process loses at most its last chunk.
    Memory does not grow with the number of rows.

    Args:
        directory: where the files lie; made if missing.
        encoder_fingerprint: see `TextClassifier.encoder_fingerprint`.
        n_features: d.
    """

    def __init__(self, directory: str | Path, encoder_fingerprint: str, n_features: int) -> None:
        self.path = Path(directory) / f"{encoder_fingerprint}.sqlite"
        self._uses = ExitStack()
        self._uses.enter_context(in_use(self.path))
        self.n_features = n_features
        self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        enter_wal(self._connection, BUSY_SECONDS)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._connection.commit()

    def get(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Features (n, d) float32 and a mask (n,) bool of the rows that were found; other rows are zero."""
        keys = [content_key(text) for text in texts]
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), QUERY_ROWS):
            part = keys[start : start + QUERY_ROWS]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM features WHERE key IN ({marks})"  # noqa: S608 - only question marks
            found.update(self._connection.execute(query, part))
        features = torch.zeros(len(keys), self.n_features)
        hit = torch.zeros(len(keys), dtype=torch.bool)
        for row, key in enumerate(keys):
            if key in found:
                features[row] = torch.from_numpy(np.frombuffer(found[key], dtype="<f4").copy())
                hit[row] = True
        return features, hit

    def put(self, texts: Sequence[str], features: Tensor) -> None:
        """Store features (n, d); a text already stored keeps its first value."""
        values = features.detach().cpu().numpy().astype("<f4")
        rows = [(content_key(text), value.tobytes()) for text, value in zip(texts, values, strict=True)]
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the file; the cache cannot be used after."""
        self._connection.close()
        self._uses.close()

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
