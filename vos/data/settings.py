"""Settings of the sources of texts; each default is defined here, once."""

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
"""Separators that may be given by name, because some of them are special characters of a shell."""


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """How csv and tsv files are read, and the encoding of all text files.

    Attributes:
        separator: one character, or comma, semicolon, tab or pipe; None: detected from the header.
        quoted: whether fields may be enclosed in double quotes; None: yes, but in tab-separated files only if the whole
            file is consistent with it. false: a double quote is an ordinary character.
        encoding: such as cp1252 or utf-16; UTF-8 may start with a byte order mark.

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
        """The separator as a character; None if it is to be detected."""
        return None if self.separator is None else SEPARATORS.get(self.separator, self.separator)


@dataclass(frozen=True, kw_only=True)
class TextColumns:
    """Column names of unlabelled texts; None if there is no such column.

    A field of a nested object is named with dots, `author.name`; an element of a list by its index, `labels.0`.

    Attributes:
        text: column of the text.
        id: column of unique ids; None: ids are computed from the texts (`text_uid`).
        group: column of a group, such as author or thread, that is always kept in one split.
        pair: column with a key shared by the two texts of a minimal pair, which are always kept in one split.
        level: column of the subtlety level, an integer >= 0.
        missing: values of a label, id, group, pair or level that mean "missing", exactly as written; an empty cell
            always does. Any other value, such as none, can be a class; one of these values is a class only if it
            occurs in `label_map`.
    """

    text: str = "text"
    id: str | None = None
    group: str | None = None
    pair: str | None = None
    level: str | None = None
    missing: Sequence[str] = MISSING


@dataclass(frozen=True, kw_only=True)
class Columns(TextColumns):
    """Column names of labelled texts; None if there is no such column.

    Attributes:
        label: column of the class.
    """

    label: str | None = "label"

    def named(self) -> list[str]:
        """The columns that every row must have."""
        return [c for c in (self.text, self.label, self.id, self.group, self.pair, self.level) if c is not None]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The classes of labelled texts.

    Attributes:
        label_map: raw value (as a string) to class name, such as {0: hate, 1: offensive}; None: the raw values of the
            training texts, or the class names that a data set declares.
        positive: the harmful class, or a list of them; "none" for data without harm, such as intents; None: well-known
            words in the class names decide, see `vos.harmful.harmful_classes`. Harmful classes have the last indices.
            If texts have lists of labels, a text with any of these labels is harmful.
        question: question to people who label a text; None: one that names the classes, or the label column if the
            classes are only answers such as no and yes.
    """

    label_map: Mapping[str, str | int] | None = None
    positive: Positive = None
    question: str | None = None

    def harmful(self) -> tuple[str, ...]:
        """The harmful classes for reducing lists of labels, see `any_of`; () if none is named."""
        if self.positive is None or str(self.positive).strip().casefold() == NO_HARM:
            return ()
        wanted = [self.positive] if isinstance(self.positive, str | int | float) else list(self.positive)
        return tuple(str(label_key(each)) for each in wanted)


LONGEST_QUESTION = 500
"""Largest number of characters of a question."""


def check_question(setting: str, question: str | None) -> None:
    """Check that a question can be shown next to the answers.

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
    """How splits without their own source are split off from the training texts.

    Attributes:
        val_share: share of the validation split; not used if that split has a source.
        test_share: share of the test split, likewise; 0: empty.
        pool_share: share of the pool, likewise; 0: empty.
        seed: seed of the split; independent of the run's seed, so that runs with different seeds share their splits.
        on_leak: what to do if texts of one group or pair occur in several of the given splits: "error"; "drop": leave
            them out of the training texts (or of the validation texts, if the others are test texts) and list them;
            "allow": keep them, with a warning. A text that itself occurs in several splits, up to case and spaces, is
            always kept in the first of test, val and train, and otherwise left out and listed.
    """

    val_share: float = 0.15
    test_share: float = 0.15
    pool_share: float = 0.0
    seed: int = 0
    on_leak: str = "error"

    def cut(self, given: set[str]) -> dict[str, float]:
        """Shares of the splits to split off, by name; the rest is for training.

        Args:
            given: splits that have a source.

        Raises:
            ConfigError: a share out of range, or no validation texts.
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
    """Rules for valid rows, and what to do with invalid ones.

    Attributes:
        on_bad_row: "raise": one error for all invalid rows; "skip": they are left out and listed in `TextData.skipped`.
            Invalid rows of the pool are found when it is read.
        max_chars: a longer text is an invalid row.
        unescape: decode HTML entities and the `_x000D_` codes that spreadsheets write for line breaks.
        limit: largest number of rows read from each file or split; None: all.

    Raises:
        ConfigError: another `on_bad_row`, or a number below 1.
    """

    on_bad_row: str = "raise"
    max_chars: int = 100_000
    unescape: bool = False
    limit: int | None = None

    @property
    def skips(self) -> bool:
        """Whether invalid rows are skipped."""
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
    """The fields of `kind` that `settings` also has, with the values in `settings`."""
    return {each.name: getattr(settings, each.name) for each in fields(kind) if hasattr(settings, each.name)}


@dataclass(frozen=True, kw_only=True)
class RowSettings(Columns, RowRules):
    """How the rows of one table are read."""

    def no_label(self) -> frozenset[str]:
        """Values of the label column that mean "no label"."""
        return frozenset(map(str, self.missing))


@dataclass(frozen=True, kw_only=True)
class TableSettings(RowSettings, Labels, Shares):
    """How labelled tables become a `TextData`, wherever their rows come from."""

    def no_label(self) -> frozenset[str]:
        """The values of `missing`, except those in `label_map`."""
        return super().no_label() - {label_key(key, ()) for key in self.label_map or ()}
