"""What a ledger keeps of a text: the text, its stable id, and what else its owner wants to keep beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vos.storage.text_ids import text_uid


class LedgerItem(Protocol):
    """What `Ledger.propose` takes: an `Item`, a `BoundaryRecord`, or a type of one's own."""

    @property
    def uid(self) -> str:
        """See `text_uid`."""

    @property
    def text(self) -> str:
        """What people are shown."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """Plain JSON values, kept as they are."""


@dataclass(frozen=True)
class Item:
    """A text with a payload.

    Attributes:
        text: what people are shown.
        payload: plain JSON values, kept as they are. Three keys mean something here: `chosen` and `source` group the
            agreement report, `probability` (class name to number) helps CROWDLAB.
        uid: follows from the text when left out, see `text_uid`.

    Example:
        >>> item = Item("the ladder slipped", {"forum": "roofers"})
        >>> len(item.uid), item.payload["forum"]
        (32, 'roofers')
    """

    text: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    uid: str = ""

    def __post_init__(self) -> None:
        if not self.uid:
            object.__setattr__(self, "uid", text_uid(self.text))
