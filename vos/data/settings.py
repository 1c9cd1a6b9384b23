"""Settings of a source of texts: each default stands here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vos.errors import ConfigError
from vos.harmful import Positive


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what; None where there is no such column.

    Attributes:
        text: the text.
        label: the class.
        id: unique ids; None makes ids from the texts (`text_uid`).
        group: what must not be cut by a split, such as author or thread.
        pair: what the two texts of a minimal pair share; a pair is not cut either.
        level: the subtlety level, an integer from 0 up.
    """

    text: str = "text"
    label: str | None = "label"
    id: str | None = None
    group: str | None = None
    pair: str | None = None
    level: str | None = None

    def named(self) -> list[str]:
        """The columns that every row must have."""
        return [c for c in (self.text, self.label, self.id, self.group, self.pair, self.level) if c is not None]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the classes are.

    Attributes:
        label_map: raw value (as a string) to class name, such as {0: hate, 1: offensive}; None takes the raw values of
            the training texts, or the names that a data set declares.
        positive: the harmful class, or a list of them; "none" for data without harm, such as intents; None: well-known
            words in the names of the classes decide, see `vos.harmful.harmful_classes`. Harmful classes have the last
            indices.
    """

    label_map: Mapping[str, str | int] | None = None
    positive: Positive = None


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How splits without a source of their own are cut from the training texts.

    Attributes:
        val_share: share for validation; not used where the split has a source. The next two likewise.
        test_share: 0 leaves the test split empty.
        pool_share: 0 leaves the pool empty.
        seed: of the cut; independent of the run's seed, so that runs of several seeds share their splits.
    """

    val_share: float = 0.15
    test_share: float = 0.15
    pool_share: float = 0.0
    seed: int = 0

    def cut(self, given: set[str]) -> dict[str, float]:
        """Shares of the splits to cut, by split; what is left is for training.

        Args:
            given: splits that have a source.

        Raises:
            ConfigError: shares out of range, or no validation texts.
        """
        asked = {"val": self.val_share, "test": self.test_share, "pool": self.pool_share}
        shares = {split: share for split, share in asked.items() if split not in given}
        if any(share < 0 for share in shares.values()) or sum(shares.values()) >= 1:
            raise ConfigError(
                f"val_share, test_share, pool_share: expected 0 or more each and a sum below 1, found {shares}"
            )
        if shares.get("val") == 0:
            raise ConfigError("val_share: expected more than 0, or validation texts of their own; found neither")
        return {split: share for split, share in shares.items() if share > 0}


@dataclass(frozen=True, kw_only=True)
class RowRules:
    """What a good row is, and what happens to a bad one.

    Attributes:
        on_bad_row: "raise": one error for all bad rows; "skip": left out and listed in `TextData.skipped`. Bad rows of
            the pool show on the pass that meets them.
        max_chars: a longer text is a bad row.
        unescape: decode HTML entities and the `_x000D_` marks that spreadsheets leave for line breaks.
        limit: read at most so many rows of each file or split; None reads all.

    Raises:
        ConfigError: another `on_bad_row`, or a number below 1.
    """

    on_bad_row: str = "raise"
    max_chars: int = 100_000
    unescape: bool = False
    limit: int | None = None

    @property
    def skips(self) -> bool:
        """Whether bad rows are left out."""
        return self.on_bad_row == "skip"

    def __post_init__(self) -> None:
        if self.on_bad_row not in ("raise", "skip"):
            raise ConfigError(f"on_bad_row: expected 'raise' or 'skip', found {self.on_bad_row!r}")
        if self.max_chars < 1 or (self.limit is not None and self.limit < 1):
            raise ConfigError(f"expected max_chars >= 1 and limit >= 1 or None, found {self.max_chars}, {self.limit}")


@dataclass(frozen=True, kw_only=True)
class RowSettings(Columns, RowRules):
    """How the rows of one table are read."""


@dataclass(frozen=True, kw_only=True)
class TableSettings(RowSettings, Labels, Shares):
    """How labelled tables become a `TextData`, wherever their rows come from."""
