"""Reads rows of csv and tsv files; separator and quoting are detected if they are not given."""

from __future__ import annotations

import csv
import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vos.data.json_rows import WRONG_WIDTH, Row
from vos.data.settings import FileFormat
from vos.data.text_lines import decoded_lines
from vos.errors import DataError

SEPARATOR_OF = {".csv": ",", ".tsv": "\t"}
CANDIDATES = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}

SAMPLE = 50
"""Number of rows by which a separator is chosen if the header contains several."""

DECLARED = re.compile(r'"?sep=(.)"?\s*$')
"""A first line in which spreadsheets declare the separator."""

DOUBLED = re.compile(r'(?:^|\t)"(?:[^"]|"")*""(?:[^"]|"")*"(?:\t|[\r\n]*$)')
"""A tab-separated field that was clearly quoted by a program: in quotes, with inner quotes doubled."""

NO_FIELD_LIMIT = 2**31 - 1
"""Largest limit that fits a C long on every platform."""

_FIELD_LIMIT_LOCK = threading.Lock()


@dataclass(frozen=True)
class Dialect:
    """How the fields of one file are separated.

    Attributes:
        separator: one character.
        quoted: fields may be enclosed in double quotes.
        padded: every separator is followed by a space that is not part of the field.
        skip: number of lines before the header.
        encoding: encoding of the file.
    """

    separator: str
    quoted: bool
    padded: bool = False
    skip: int = 0
    encoding: str = "utf-8"


def read_delimited(path: Path, layout: FileFormat, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Yield rows as dictionaries by header name; quoted fields may contain line breaks (RFC 4180).

    Missing cells of a short row are None; see also `WRONG_WIDTH`.

    Args:
        path: the file.
        layout: how it is read.
        columns: names that the header contains; they help to detect the separator.

    Raises:
        DataError: no separator, or several possible ones; a name twice in the header; wrong quoting.
    """
    dialect = find_dialect(path, layout, columns)
    records = _records(path, dialect)
    line, names = next(records, (1, []))
    header = [name.strip() for name in names]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(f"{path}:{line}: expected each column name once, found {twice} more than once")
    for number, fields in records:
        row = dict(zip(header, [*fields, *[None] * (len(header) - len(fields))], strict=False))
        yield number, row | ({WRONG_WIDTH: (len(fields), len(header))} if len(fields) != len(header) else {})


def find_dialect(path: Path, layout: FileFormat, columns: Sequence[str] = ()) -> Dialect:
    """The settings of `layout`, with those that are None detected from the file.

    Raises:
        DataError: several separators are possible, or it is unclear whether a tab-separated file is quoted.
    """
    first = next(decoded_lines(path, layout.encoding), (1, ""))[1]
    declared = DECLARED.fullmatch(first.strip("\r\n"))
    start = Dialect(",", layout.quoted is not False, skip=int(declared is not None), encoding=layout.encoding)
    separator = layout.delimiter or (declared[1] if declared else None) or _separator(path, start, columns)
    header = _header(path, replace(start, separator=separator))
    padded = separator != " " and len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    dialect = replace(start, separator=separator, padded=padded)
    if layout.quoted is None and separator == "\t":
        return replace(dialect, quoted=_reads_as_quoted(path, dialect, len(header)))
    return dialect


def _header(path: Path, dialect: Dialect) -> list[str]:
    try:
        return next(_records(path, dialect), (1, []))[1]
    except DataError:
        return []


def _separator(path: Path, dialect: Dialect, columns: Sequence[str]) -> str:
    """The separator in the header; of several, the one that gives the wanted columns and rows of equal width."""
    own = SEPARATOR_OF.get(path.suffix.lower(), ",")
    headers = {each: _header(path, replace(dialect, separator=each)) for each in CANDIDATES}
    found = [each for each, header in headers.items() if len(header) > 1]
    if columns:
        wanted = {each for each, header in headers.items() if set(columns) <= {name.strip() for name in header}}
        if not wanted & set(found) and own in wanted:
            return own  # the only wanted column has a separator in its name
        found = [each for each in found if each in wanted] or found
    if len(found) > 1:
        even = {each: _even_rows(path, replace(dialect, separator=each), len(headers[each])) for each in found}
        found = [each for each in found if even[each] == max(even.values())]
    if len(found) > 1:
        names = " or ".join(NAMES[each] for each in found)
        raise DataError(f"{path}:1: the header can be read with {names} between its columns; say which with separator=")
    return found[0] if found else own


def _even_rows(path: Path, dialect: Dialect, width: int) -> int:
    """Number of the first rows that are as wide as the header."""
    count = 0
    try:
        for _, fields in itertools.islice(_records(path, dialect), 1, SAMPLE + 1):
            count += len(fields) == width
    except DataError:
        pass
    return count


def _reads_as_quoted(path: Path, dialect: Dialect, width: int) -> bool:
    """Whether double quotes enclose fields in the whole file; in tab-separated files they may be plain characters.

    Raises:
        DataError: some fields are clearly quoted, and others cannot be.
    """
    taken: list[str] = []
    sure = 0

    def lines() -> Iterator[str]:
        for _, line in itertools.islice(decoded_lines(path, dialect.encoding), dialect.skip, None):
            taken.append(line)
            yield line

    last = 1
    try:
        for start, fields in _quoted_records(path, lines(), dialect):
            last = start
            taken[:] = itertools.dropwhile(lambda line: not line.strip("\r\n"), taken)
            several = len(taken) > 1
            if several and width > 1 and all(line.count(dialect.separator) == width - 1 for line in taken):
                raise DataError("whole rows within quotes")
            if not sure and (several or DOUBLED.search(taken[0])) and len(fields) == width:
                sure = start
            taken.clear()
    except DataError as error:
        rest = itertools.islice(decoded_lines(path, dialect.encoding), last, None)
        sure = sure or next((number for number, line in rest if _is_sure(line, width)), 0)
        if sure:
            raise DataError(
                f"{path}: expected double quotes around fields everywhere or nowhere, found them around fields in line "
                f"{sure}, and not so after line {last}; mend that row, or say quoted=true or quoted=false"
            ) from error
        return False
    return True


def _is_sure(line: str, width: int) -> bool:
    """Whether a line proves that its file is quoted; otherwise it may be one line of a longer text."""
    left_open = width == 1 and line.startswith('"') and line.count('"') % 2 == 1
    return left_open or DOUBLED.search(line) is not None


@contextmanager
def _no_field_limit() -> Iterator[None]:
    """Context without the csv module's field limit, which is global to the process and restored afterwards."""
    with _FIELD_LIMIT_LOCK:
        before = csv.field_size_limit(NO_FIELD_LIMIT)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Fields of each record, the header first, with the line where it starts; blank lines are skipped."""
    lines = itertools.islice(decoded_lines(path, dialect.encoding), dialect.skip, None)
    if dialect.quoted:
        yield from _quoted_records(path, (line for _, line in lines), dialect)
        return
    for number, line in lines:
        if content := line.rstrip("\r\n"):
            fields = content.split(dialect.separator)
            yield number, [field.removeprefix(" ") for field in fields] if dialect.padded else fields


def _quoted_records(path: Path, lines: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    # strict: otherwise an unclosed quote silently swallows the rest of the file
    reader = csv.reader(lines, delimiter=dialect.separator, skipinitialspace=dialect.padded, strict=True)
    while True:
        start = dialect.skip + reader.line_num + 1
        try:
            with _no_field_limit():
                fields = next(reader, None)
        except csv.Error as error:
            if "new-line" in str(error):
                hint = "a carriage return stands within a line; save the file with one kind of line ends"
                raise DataError(f"{path}:{start}: the row that starts here is not valid: {hint}") from error
            hint = (
                "a double quote inside a quoted field is written twice; where quotes are plain characters, say "
                "quoted=false"
            )
            raise DataError(f"{path}:{start}: the row that starts here is not valid: {error}; {hint}") from error
        if fields is None:
            return
        if fields:
            yield start, fields
