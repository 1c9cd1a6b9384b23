"""Rows of a table, each checked on its own: columns by name, and every problem told apart and counted."""

from __future__ import annotations

import difflib
import html
import itertools
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vos.data.files import WRONG_WIDTH, Row
from vos.data.labels import label_key
from vos.data.problems import Problem, ProblemLog
from vos.data.settings import Columns, RowSettings
from vos.errors import DataError
from vos.storage.text_ids import text_uid
from vos.types import Example

logger = logging.getLogger(__name__)

UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of a surrogate pair: valid in JSON escapes, but no tokenizer or file takes them."""


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """A row whose own content is good; whether it agrees with the other rows is not known yet.

    Attributes:
        source: file, or data set and split.
        line: where the row starts.
        example: the row, without its label.
        raw_label: see `label_key`; None for unlabelled sources.
        uid: `text_uid` of the text.
    """

    source: str
    line: int
    example: Example
    raw_label: str | None
    uid: str

    @property
    def where(self) -> str:
        """File and line for messages."""
        return f"{self.source}:{self.line}"


def parse_rows(source: str, rows: Iterable[Row], settings: RowSettings, log: ProblemLog) -> Iterator[ParsedRow]:
    """Rows with good content, lazily; the others go to `log`.

    Raises:
        DataError: a column is missing, or there is no row at all.
    """
    for line, row in itertools.islice(checked_rows(source, rows, settings), settings.limit):
        result = _parse(source, line, row, settings)
        if isinstance(result, Problem):
            log.add(result)
        else:
            yield result


def stream_examples(source: str, rows: Iterable[Row], settings: RowSettings) -> Iterator[Example]:
    """Unlabelled examples of a pool, with flat memory: a bad row is an error at once, or is counted in the log.

    Raises:
        DataError: a column is missing, there is no row at all, or a row is bad and bad rows are not skipped.
    """
    log = ProblemLog(settings.skips)
    for parsed in parse_rows(source, rows, settings, log):
        log.raise_if_any()
        log.skipped.clear()
        yield parsed.example
    log.raise_if_any()
    if log.count:
        logger.warning("%s: left out %d bad rows of the pool", source, log.count)


def checked_rows(source: str, rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    """The rows, after a look at the first one: whether it is there, and has every column.

    Raises:
        DataError: there is no row at all, or a column is missing; names it, the columns found, and the nearest of them.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: expected at least one row of data, found none: the file is empty")
    found = [name for name in first[1] if name != WRONG_WIDTH]
    for name in columns.named():
        if name not in found:
            near = difflib.get_close_matches(name.lower(), [each.lower() for each in found], n=1, cutoff=0.5)
            nearest = [each for each in found if near and each.lower() == near[0]]
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise DataError(f"{source}: expected a column {name!r}, found in the first row the columns {found}{hint}")
    return itertools.chain([first], rows)


def unescape(text: str) -> str:
    r"""Text with HTML entities decoded and `_x000D_` marks (with the line feed after them, if any) as line feeds.

    Example:
        >>> unescape("a &lt;b&gt;_x000D_c")
        'a <b>\nc'
    """
    return html.unescape(text.replace("_x000D_\n", "\n").replace("_x000D_", "\n"))


def _parse(source: str, line: int, row: dict[str, Any], settings: RowSettings) -> ParsedRow | Problem:
    """One row on its own."""

    def key(column: str | None) -> str | None:
        return None if column is None else label_key(row.get(column))

    id_ = key(settings.id)

    def problem(column: str, found: str, expected: str) -> Problem:
        return Problem(source, line, column, found, expected, id_)

    if WRONG_WIDTH in row:
        fields, width = row[WRONG_WIDTH]
        return problem(
            settings.text, f"a row of {fields} fields", f"{width} fields as in the header; is the quoting right?"
        )
    text = row.get(settings.text)
    if not isinstance(text, str):
        return problem(settings.text, "nothing" if text is None else f"a {type(text).__name__}", "a text")
    text = unescape(text) if settings.unescape else text
    if fault := _text_fault(text, settings.max_chars):
        return problem(settings.text, *fault)
    if settings.id is not None and id_ is None:
        return problem(settings.id, "no id", "an id in every row")
    raw = key(settings.label)
    if settings.label is not None and raw is None:
        return problem(settings.label, "no label", "a label; rows without one belong in the pool")
    level = key(settings.level)
    if level is not None and not (level.isascii() and level.isdecimal()):
        column = str(settings.level)
        return problem(column, _short(row[column]), "a whole number from 0 up, or nothing")
    uid = text_uid(text)
    level_number = None if level is None else int(level)
    example = Example(id_ or uid, text, None, key(settings.group), key(settings.pair), level_number)
    return ParsedRow(source, line, example, raw, uid)


def _text_fault(text: str, max_chars: int) -> tuple[str, str] | None:
    """What is found and what is expected when a text cannot be used."""
    if not text.strip():
        return ("white space only" if text else "an empty text"), "a text"
    if len(text) > max_chars:
        return f"a text of {len(text)} characters", f"at most max_chars={max_chars}"
    if match := UNPRINTABLE.search(text):
        return f"U+{ord(match[0]):04X} at character {match.start() + 1}", "characters that UTF-8 text can hold"
    return None


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
