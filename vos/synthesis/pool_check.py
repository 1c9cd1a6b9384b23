"""Checks a pool before any text is scored: every row must be readable; truncated texts and repeated ids are noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vos.models.base import TextClassifier
from vos.models.truncation import Truncation, count_truncation
from vos.storage.json_files import read_json, write_json
from vos.synthesis.repeated_ids import RepeatedIds
from vos.types import Example

VERSION = 2
"""Format version of the file of a check."""


@dataclass(frozen=True)
class Checking:
    """A task that reads every row of a file and writes its `PoolCheck`."""


@dataclass
class PoolCheck:
    """What is known of a pool once it was read; the checks of two parts can be added.

    Attributes:
        truncation: counts of texts and truncated texts.
        ids: see `RepeatedIds`.
    """

    truncation: Truncation = field(default_factory=Truncation)
    ids: RepeatedIds = field(default_factory=RepeatedIds)

    def add(self, other: PoolCheck) -> None:
        """Add the check of another part."""
        self.truncation.add(other.truncation)
        self.ids.add(other.ids)


def check_pool(texts: Iterable[Example], classifier: TextClassifier) -> PoolCheck:
    """Read the texts of a pool to their end.

    Raises:
        DataError: a row is invalid; the message names it.
    """
    ids = RepeatedIds()
    return PoolCheck(count_truncation(classifier, (example.text for example in ids.watch(texts))), ids)


def check_shard(texts: Iterable[Example], classifier: TextClassifier, path: Path) -> int:
    """Read one file of a pool to its end; returns the number of its texts.

    Raises:
        DataError: the file or a row is invalid; the message names it. Nothing is written then.
    """
    check = check_pool(texts, classifier)
    counts, ids = check.truncation, check.ids
    write_json(path, {"texts": counts.texts, "lost": sorted(counts.lost.items()), "ids": ids.smallest()})
    return counts.texts


def load_check(path: Path) -> PoolCheck:
    """Read what `check_shard` wrote."""
    values = read_json(path)
    ids = RepeatedIds(dict(values["ids"]))
    return PoolCheck(Truncation(values["texts"], Counter(dict(values["lost"]))), ids)
