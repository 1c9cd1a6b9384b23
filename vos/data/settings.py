"""Settings of a source of texts: each default stands here, once."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from vos.data.labels import MISSING, label_key
from vos.errors import ConfigError
from vos.harmful import NO_HARM, Positive

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}
"""Separators that may be given by name, since some of them mean something to a shell."""


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """How csv and tsv files are read, and the encoding of every file of text.

    Attributes:
        separator: one character, or comma, semicolon, tab or pipe; None finds it in the header.
        quoted: whether fields may stand in double quotes; None: yes, but between tabs only where the whole file reads
            so. With false a double quote is a plain character.
        encoding: such as cp1252 or utf-16; a byte order mark of UTF-8 may stand in front of UTF-8.

    Raises:
        ConfigError: a separator of several characters, or an unknown encoding.
    """

    separator: str | None = None
    quoted: bool | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if (given := self.delimiter) is not None and (len(given) != 1 or given in '"\r\n'):
            raise ConfigError(
                f"separator: expected one character, or one of {', '.join(list(SEPARATORS)[:4])}, "
                f"found {self.separator!r}"
            )
        try:
            "".encode(self.encoding)
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ConfigError(
                f"encoding: expected the name of an encoding, such as utf-8, cp1252 or utf-16, found {self.encoding!r}"
            ) from error

    @property
    def delimiter(self) -> str | None:
        """The separator as a character; None where it is to be found."""
        return None if self.separator is None else SEPARATORS.get(self.separator, self.separator)


@dataclass(frozen=True, kw_only=True)
class TextColumns:
    """Which column of unlabelled texts holds what; None where there is no such column.

    A part of a nested object is named with dots: `author.name`; of a list by its place: `labels.0`.

    Attributes:
        text: the text.
        id: unique ids; None makes ids from the texts (`text_uid`).
        group: what must not be cut by a split, such as author or thread.
        pair: what the two texts of a minimal pair share; a pair is not cut either.
        level: the subtlety level, an integer from 0 up.
        missing: cells of a label, an id, a group, a pair or a level that mean that there is none, exactly as written,
            beside an empty one. A class may have any other name, such as none; one of these names is a class where
            `label_map` has it.
    """

    text: str = "text"
    id: str | None = None
    group: str | None = None
    pair: str | None = None
    level: str | None = None
    missing: Sequence[str] = MISSING


@dataclass(frozen=True, kw_only=True)
class Columns(TextColumns):
    """Which column holds what; None where there is no such column.

    Attributes:
        label: the class.
    """

    label: str | None = "label"

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
            indices. Where a text has a list of labels, one or several: a text with any of the harmful ones is harmful.
        question: what people are asked of a text when it is to be labelled; None: one that names the classes, or the
            column of the labels where the classes are mere answers such as no and yes.
    """

    label_map: Mapping[str, str | int] | None = None
    positive: Positive = None
    question: str | None = None

    def harmful(self) -> tuple[str, ...]:
        """The classes that a list of labels is reduced by, see `any_of`; () where none is named."""
        if self.positive is None or str(self.positive).strip().casefold() == NO_HARM:
            return ()
        wanted = [self.positive] if isinstance(self.positive, str | int | float) else list(self.positive)
        return tuple(str(label_key(each)) for each in wanted)


LONGEST_QUESTION = 500
"""Characters."""


def check_question(setting: str, question: str | None) -> None:
    """Refuse a question that could not be shown beside the answers.

    Raises:
        ConfigError: blank, of several lines, or too long.
    """
    if question is not None and (not question.strip() or "\n" in question or len(question) > LONGEST_QUESTION):
        raise ConfigError(
            f"{setting}: expected one line of at most {LONGEST_QUESTION} characters, got {question[:40]!r}; a longer "
            "explanation belongs into labeling.settings.guidelines"
        )


LEAK_WAYS = ("error", "drop", "allow")


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How splits without a source of their own are cut from the training texts.

    Attributes:
        val_share: share for validation; not used where the split has a source. The next two likewise.
        test_share: 0 leaves the test split empty.
        pool_share: 0 leaves the pool empty.
        seed: of the cut; independent of the run's seed, so that runs of several seeds share their splits.
        on_leak: what happens where texts of one group or pair stand in several of the given splits: "error"; "drop"
            leaves them out of the training texts, or of the validation texts where the others are test texts, and
            lists them; "allow" keeps them, and says so. A text that stands in several splits itself, also with other
            capitals or spaces, is always left out of the later of test, val and train, and listed.
    """

    val_share: float = 0.15
    test_share: float = 0.15
    pool_share: float = 0.0
    seed: int = 0
    on_leak: str = "error"

    def cut(self, given: set[str]) -> dict[str, float]:
        """Shares of the splits to cut, by split; what is left is for training.

        Args:
            given: splits that have a source.

        Raises:
            ConfigError: shares out of range, or no validation texts.
        """
        if self.on_leak not in LEAK_WAYS:
            raise ConfigError(f"on_leak: expected one of {', '.join(LEAK_WAYS)}, found {self.on_leak!r}")
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
class FileRules(RowRules, FileFormat):
    """How the rows of a file are read, whatever their columns."""

    def __post_init__(self) -> None:
        RowRules.__post_init__(self)
        FileFormat.__post_init__(self)


def shared(kind: type[DataclassInstance], settings: DataclassInstance) -> dict[str, Any]:
    """The fields of `kind` that `settings` has too, with their values there."""
    return {each.name: getattr(settings, each.name) for each in fields(kind) if hasattr(settings, each.name)}


@dataclass(frozen=True, kw_only=True)
class RowSettings(Columns, RowRules):
    """How the rows of one table are read."""

    def no_label(self) -> frozenset[str]:
        """Cells of the label's column that mean that there is none."""
        return frozenset(map(str, self.missing))


@dataclass(frozen=True, kw_only=True)
class TableSettings(RowSettings, Labels, Shares):
    """How labelled tables become a `TextData`, wherever their rows come from."""

    def no_label(self) -> frozenset[str]:
        """As for every table, less what `label_map` names."""
        return super().no_label() - {label_key(key, ()) for key in self.label_map or ()}
