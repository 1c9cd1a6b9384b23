"""Notices whether different texts of a pool share an id, in constant memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vos.storage.text_ids import text_uid
from vos.types import Example

SIZE = 512
"""Number of ids that are compared. A share f of repeated ids is missed with probability (1 - f)^512."""

SEVERAL = ""
"""Stands in place of the hash of a text where an id has several."""


@dataclass
class RepeatedIds:
    """Compares the texts of the `SIZE` ids with the smallest hashes: neither the order nor the parts of a pool matter.

    Files that each number their texts from 1 are noticed. A few repeated ids in a large pool may be missed; then these
    texts share a random number when they are drawn, and all of them are still considered.

    Attributes:
        texts: hash of the text by hash of the id, at most twice `SIZE`.

    Example:
        >>> ids = RepeatedIds()
        >>> len(list(ids.watch([Example("1", "one text"), Example("1", "another text")]))), ids.found
        (2, True)
    """

    texts: dict[str, str] = field(default_factory=dict)
    _bound: str = field(default="g", repr=False, compare=False)  # after every hexadecimal digit

    @property
    def found(self) -> bool:
        """Whether one of the compared ids has different texts."""
        return any(text == SEVERAL for _, text in self.smallest())

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The same examples, each seen in passing."""
        for example in examples:
            id_ = _hash(example.id)
            if id_ <= self._bound:
                self._see(id_, _hash(text_uid(example.text)))
            yield example

    def smallest(self) -> list[tuple[str, str]]:
        """The `SIZE` smallest hashes of ids, each with that of its text."""
        return sorted(self.texts.items())[:SIZE]

    def add(self, other: RepeatedIds) -> None:
        """Add what was seen in another part of the pool."""
        for id_, text in other.smallest():
            self._see(id_, text)

    def _see(self, id_: str, text: str) -> None:
        if id_ > self._bound:
            return
        if self.texts.setdefault(id_, text) != text:
            self.texts[id_] = SEVERAL
        if len(self.texts) > 2 * SIZE:
            self.texts = dict(self.smallest())
            self._bound = max(self.texts)


def _hash(value: str) -> str:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
