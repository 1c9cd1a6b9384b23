"""Checks the files of a pool before any text is scored: every row must be readable; truncated texts are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vos.models.base import TextClassifier
from vos.models.truncation import Truncation, count_truncation
from vos.storage.json_files import read_json, write_json
from vos.types import Example


@dataclass(frozen=True)
class Checking:
    """A task that reads every row of a file and writes the counts of `Truncation`."""


def check_shard(texts: Iterable[Example], classifier: TextClassifier, path: Path) -> int:
    """Read one file of a pool to its end; returns the number of its texts.

    Raises:
        DataError: the file or a row is invalid; the message names it. Nothing is written then.
    """
    counts = count_truncation(classifier, (example.text for example in texts))
    write_json(path, {"texts": counts.texts, "lost": sorted(counts.lost.items())})
    return counts.texts


def load_check(path: Path) -> Truncation:
    """Read the counts that `check_shard` wrote."""
    values = read_json(path)
    return Truncation(values["texts"], Counter(dict(values["lost"])))
