"""Checks each row of a table by itself: columns by name, with every problem reported and counted."""

from __future__ import annotations

import difflib
import html
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vos.data.json_rows import DAMAGED, WRONG_WIDTH, Row
from vos.data.labels import NOT_A_NUMBER, any_of, cell_key, label_key, nested
from vos.data.problems import SHOWN_PROBLEMS, Problem, ProblemLog
from vos.data.settings import Columns, RowSettings
from vos.errors import DataError
from vos.storage.text_ids import UNPRINTABLE, text_uid
from vos.types import Example

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """A row with valid content; its consistency with other rows has not been checked yet.

    Attributes:
        source: file, or data set and split.
        line: line where the row starts.
        example: the row, without its label.
        raw_label: see `label_key`; None for unlabelled sources.
        uid: `text_uid` of the text.
        listed: the labels of a row with a list of labels, which was reduced to `raw_label`; otherwise ().
    """

    source: str
    line: int
    example: Example
    raw_label: str | None
    uid: str
    listed: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """File and line for messages."""
        return f"{self.source}:{self.line}"


PEEKED = 100
"""Number of rows in which columns are searched, because an object may lack a field that others have."""

LONGEST_LEVEL = 9
"""Largest number of digits of a subtlety level."""

LONG_NAME, WORDY_NAME = 40, 4
"""Numbers of characters and of spaces from which a column name looks like a text."""


def parse_rows(
    source: str, rows: Iterable[Row], settings: RowSettings, log: ProblemLog, harmful: Sequence[str] = ()
) -> Iterator[ParsedRow]:
    """Yield valid rows lazily; the others are added to `log`.

    Args:
        source: file, or data set and split.
        rows: rows of the source.
        settings: columns, and the rules for valid rows.
        log: receives invalid rows.
        harmful: harmful classes for reducing lists of labels, see `any_of`; if (), a list is an invalid row.

    Raises:
        DataError: a column is missing, or there are no rows.
    """
    for line, row in itertools.islice(checked_rows(source, rows, settings), settings.limit):
        result = _parse(source, line, row, settings, harmful)
        if isinstance(result, Problem):
            log.add(result)
        else:
            yield result


def stream_examples(source: str, rows: Iterable[Row], settings: RowSettings) -> Iterator[Example]:
    """Yield unlabelled examples of a pool in constant memory; an invalid row raises at once, or is counted in the log.

    Raises:
        DataError: a column is missing, there are no rows, or a row is invalid and invalid rows are not skipped.
    """
    log = ProblemLog(settings.skips)
    for parsed in parse_rows(source, rows, settings, log):
        log.raise_if_any()
        del log.skipped[SHOWN_PROBLEMS:]
        yield parsed.example
    log.raise_if_any()
    if log.count:
        first = "; ".join(f"{each.source}:{each.line}: {each.reason}" for each in log.skipped[:SHOWN_PROBLEMS])
        logger.warning("%s: left out %d bad rows of the pool, the first: %s", source, log.count, first)


def checked_rows(source: str, rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    """Yield the rows after checking that there are some, and that the first ones have every column.

    Raises:
        DataError: there are no rows, or a column is missing; the message names it, the columns found, and the nearest.
    """
    rows = iter(rows)
    first = list(itertools.islice(rows, PEEKED))
    if not first:
        raise DataError(f"{source}: expected at least one row of data, found none: the file is empty")
    found = list(dict.fromkeys(name for _, row in first for name in row if name not in (WRONG_WIDTH, DAMAGED)))
    if not found:
        raise DataError(f"{source}:{first[0][0]}: {first[0][1].get(DAMAGED, 'expected named columns, found none')}")
    for name in columns.named():
        if name not in found and (name.partition(".")[0] not in found or "." not in name):
            raise DataError(f"{source}: expected a column {name!r}, found {_in_words(name, found)}")
    return itertools.chain(first, rows)


def _in_words(wanted: str, found: list[str]) -> str:
    """The columns found, and a possible reason for a missing one."""
    if any(len(name) > LONG_NAME or name.strip().count(" ") >= WORDY_NAME for name in found):
        return f"{len(found)} columns named like texts: is the first line a header? Write one, such as text,label"
    near = difflib.get_close_matches(wanted.lower(), [each.lower() for each in found], n=1, cutoff=0.5)
    nearest = [each for each in found if near and each.lower() == near[0]]
    return f"the columns {found}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")


def cell(row: dict[str, Any], column: str | None) -> Any:
    """The value of a column, or of a nested field or list element named with dots; None if there is none.

    Example:
        >>> cell({"author": {"name": "ann"}, "labels": ["a", "b"]}, "labels.1")
        'b'
    """
    if column is None or column in row:
        return row.get(str(column))
    value: Any = row
    for part in column.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal():
            value = next(iter(value[int(part) :]), None)
        else:
            return None
    return value


def unescape(text: str) -> str:
    r"""Text with HTML entities decoded and `_x000D_` marks (with the line feed after them, if any) as line feeds.

    Example:
        >>> unescape("a &lt;b&gt;_x000D_c")
        'a <b>\nc'
    """
    return html.unescape(text.replace("_x000D_\n", "\n").replace("_x000D_", "\n"))


def _parse(
    source: str, line: int, row: dict[str, Any], settings: RowSettings, harmful: Sequence[str]
) -> ParsedRow | Problem:
    """Parse one row."""
    missing = frozenset(map(str, settings.missing))

    def key(column: str | None) -> str | None:
        return cell_key(cell(row, column), missing)

    if DAMAGED in row:
        return Problem(source, line, settings.text, f"a line that cannot be read ({row[DAMAGED]})", "a row")
    id_ = key(settings.id)

    def problem(column: str, found: str, expected: str) -> Problem:
        return Problem(source, line, column, found, expected, id_)

    if WRONG_WIDTH in row:
        fields, width = row[WRONG_WIDTH]
        return problem(
            settings.text, f"a row of {fields} fields", f"{width} fields as in the header; is the quoting right?"
        )
    text = cell(row, settings.text)
    if not isinstance(text, str):
        return problem(settings.text, "nothing" if text is None else f"a {type(text).__name__}", "a text")
    text = unescape(text) if settings.unescape else text
    if fault := _text_fault(text, settings.max_chars):
        return problem(settings.text, *fault)
    for column in filter(None, (settings.id, settings.group, settings.pair, settings.level)):
        if (parts := nested(cell(row, column))) is not None:
            part = f"{column}.{_a_key(parts)}"
            return problem(column, _parts(parts), f"one value; name its part with a dot, such as {part}")
        if fault := _character_fault(key(column) or ""):
            return problem(column, *fault)
    if settings.id is not None and id_ is None:
        return problem(settings.id, "no id", "an id in every row")
    raw, fault = _label(row, settings, harmful)
    if fault:
        return problem(str(settings.label), *fault)
    level = key(settings.level)
    if level is not None and not (level.isascii() and level.isdecimal() and len(level) <= LONGEST_LEVEL):
        column = str(settings.level)
        return problem(column, _short(cell(row, column)), "a whole number from 0 up, or nothing")
    uid = text_uid(text)
    level_number = None if level is None else int(level)
    example = Example(id_ or uid, text, None, key(settings.group), key(settings.pair), level_number)
    parts = nested(cell(row, settings.label)) if harmful and settings.label else None
    listed = tuple(str(label_key(part, ())) for part in parts) if isinstance(parts, list) else ()
    return ParsedRow(source, line, example, raw, uid, listed)


Fault = tuple[str, str] | None
"""What was found and what was expected."""


def _label(row: dict[str, Any], settings: RowSettings, harmful: Sequence[str]) -> tuple[str | None, Fault]:
    """The raw label, or the problem with it."""
    if settings.label is None:
        return None, None
    value = cell(row, settings.label)
    parts = nested(value)
    if isinstance(parts, list) and harmful:
        return any_of(parts, harmful), _character_fault("".join(map(str, parts)))
    if parts is not None or isinstance(value, bytes):
        found = "bytes" if parts is None else _parts(parts)
        example = f"label={settings.label}.{_a_key(parts)}"
        if isinstance(parts, dict):
            return None, (found, f"one label; name the part that holds it with a dot, such as {example}")
        return None, (
            found,
            f"one label; name the harmful ones with positive=LABEL, or one place with a dot: {example}",
        )
    raw = label_key(value, settings.no_label())
    if raw is None:
        written = f" ({value.strip()!r} means that there is none, see missing)" if _is_written(value) else ""
        return None, (f"no label{written}", "a label; rows without one belong in the pool")
    return raw, _character_fault(raw)


def _is_written(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _parts(parts: list[Any] | dict[Any, Any] | None) -> str:
    if isinstance(parts, dict):
        return f"an object with the keys {', '.join(map(repr, list(parts)[:5]))}"
    return f"a list of {len(parts or ())} values"


def _a_key(parts: list[Any] | dict[Any, Any] | None) -> str:
    return str(next(iter(parts), "name")) if isinstance(parts, dict) else "0"


def check_texts(source: str, texts: Iterable[object]) -> None:
    """Check texts in memory by the same rules as texts from a file.

    Raises:
        DataError: an invalid text; the message names its position.
    """
    for place, text in enumerate(texts):
        fault = _text_fault(text, len(text)) if isinstance(text, str) else (f"a {type(text).__name__}", "a text")
        if fault:
            raise DataError(f"{source}[{place}]: found {fault[0]}, expected {fault[1]}")


def _text_fault(text: str, max_chars: int) -> Fault:
    """What was found and what was expected, if a text cannot be used."""
    if text.strip() in NOT_A_NUMBER:
        return f"{text.strip()!r}, as data frames write a gap", "a text"
    if not text.strip():
        return ("white space only" if text else "an empty text"), "a text"
    if len(text) > max_chars:
        return f"a text of {len(text)} characters", f"at most max_chars={max_chars}"
    return _character_fault(text)


def _character_fault(text: str) -> Fault:
    """What was found and what was expected, if a string cannot be stored in files."""
    if match := UNPRINTABLE.search(text):
        return f"U+{ord(match[0]):04X} at character {match.start() + 1}", "characters that UTF-8 text can hold"
    return None


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
