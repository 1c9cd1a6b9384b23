"""Items of a ledger: a text, its stable id, and a payload of further values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vos.storage.text_ids import text_uid


class LedgerItem(Protocol):
    """The argument type of `Ledger.propose`: an `Item`, a `BoundaryRecord`, or a custom type."""

    @property
    def uid(self) -> str:
        """See `text_uid`."""

    @property
    def text(self) -> str:
        """The text shown to people."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """Plain JSON values, stored unchanged."""


@dataclass(frozen=True)
class Item:
    """A text with a payload.

    Attributes:
        text: the text shown to people.
        payload: plain JSON values, stored unchanged. Three keys are used: `chosen` and `source` group the agreement
            report, `probability` (class name to number) is used by CROWDLAB.
        uid: computed from the text if not given, see `text_uid`.

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
