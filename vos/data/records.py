"""The output of a data source: labelled splits, a streaming pool, and a list of skipped rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from vos.errors import ConfigError
from vos.harmful import Classes
from vos.types import Example


@dataclass(frozen=True, slots=True)
class Skipped:
    """A skipped row.

    Attributes:
        source: file, or data set and split.
        line: line where the row starts, counted from 1; row number for parquet and data sets; None if unknown.
        reason: the reason, without the text itself.
        id: the row's id if it has a valid one.
    """

    source: str
    line: int | None
    reason: str
    id: str | None


class PoolSource(Protocol):
    """Unlabelled texts, in any number.

    Every `iter(pool)` starts from the beginning, and memory does not grow with the number of texts. A pool that knows
    its size without reading the texts may also have `__len__`; every pool has `size`, None if unknown.
    """

    @property
    def size(self) -> int | None:
        """Number of texts, or None if it is unknown without reading them."""

    def __iter__(self) -> Iterator[Example]:
        """The texts from the start, labels None."""


class ListPool:
    """A pool in memory.

    Args:
        examples: used without a copy.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = list(examples)

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self._examples)

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self._examples)


class FilePool:
    """A pool that is read from its source on every iteration; it has no `__len__`, because its size may be unknown.

    Args:
        path: the file, or the name of the data set and split; for messages.
        read: opens the source and yields its texts lazily, from the start on every call.
        size: number of texts if it is known without reading them.
    """

    def __init__(self, path: str | Path, read: Callable[[], Iterator[Example]], size: int | None = None) -> None:
        self.path = path
        self.size = size
        self._read = read

    def __iter__(self) -> Iterator[Example]:
        return self._read()


@dataclass
class TextData:
    """All texts of a run, with their classes.

    Attributes:
        train: labelled training texts.
        val: labelled validation texts.
        test: labelled test texts; may be empty.
        pool: unlabelled texts.
        label_names: names of the C classes in index order.
        skipped: skipped rows, with the reason.
        ood: out-of-distribution texts for AUROC and FPR95; labels None; may be empty.
        harmful: indices of the harmful classes, ascending; () if no class is harmful.
        question: question to people who label a text; "" if the source has none.
        guidelines: rule by which they answer; "" if the source has none.
    """

    train: list[Example]
    val: list[Example]
    test: list[Example]
    pool: PoolSource
    label_names: tuple[str, ...]
    skipped: list[Skipped]
    ood: list[Example] = field(default_factory=list)
    harmful: tuple[int, ...] = field(kw_only=True)
    question: str = field(default="", kw_only=True)
    guidelines: str = field(default="", kw_only=True)

    @property
    def classes(self) -> Classes:
        """The classes, and which of them are harmful."""
        return Classes(self.label_names, self.harmful)

    def in_order(self, names: tuple[str, ...]) -> TextData:
        """The same texts with class indices in the order of `names`, which must be the same classes.

        Raises:
            ConfigError: the classes differ.
        """
        if names == self.label_names:
            return self
        if set(names) != set(self.label_names) or len(names) != len(self.label_names):
            raise ConfigError(f"expected the classes {list(names)}, found {list(self.label_names)}")
        place = [names.index(name) for name in self.label_names]

        def moved(examples: list[Example]) -> list[Example]:
            return [e if e.label is None else replace(e, label=place[e.label]) for e in examples]

        return replace(
            self,
            train=moved(self.train),
            val=moved(self.val),
            test=moved(self.test),
            label_names=names,
            harmful=tuple(sorted(place[i] for i in self.harmful)),
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) over class names and the ids, texts and labels of train, val, test and ood, in their order.

        The pool is not included, because hashing it would mean reading a source of any size.
        """
        digest = hashlib.sha256(_line(list(self.label_names)))
        for name, examples in (("train", self.train), ("val", self.val), ("test", self.test), ("ood", self.ood)):
            digest.update(_line([name, len(examples)]))
            for example in examples:
                digest.update(_line([example.id, example.text, example.label]))
        return digest.hexdigest()


def _line(values: Sequence[str | int | None]) -> bytes:
    """Values as a JSON line, in which ("ab", "c") and ("a", "bc") differ."""
    return json.dumps(list(values), allow_nan=False).encode("ascii") + b"\n"
