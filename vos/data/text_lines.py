"""Reads the lines of a text file lazily, with any line ending and encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from vos.errors import DataError

UTF_8 = ("utf-8", "utf-8-sig")


def decoded_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Lines of a file with their line breaks, numbered from 1, without byte order marks at its start.

    Only a line feed ends a line: other Unicode separators are part of the text. If the first line ends in a carriage
    return without a line feed, as old spreadsheets write it, every carriage return ends a line.

    Raises:
        DataError: bytes that are invalid in this encoding, or a NUL byte; the message names the line and, for UTF-8,
            the byte column from 1.
    """
    lines = _utf8_lines(path) if codecs.lookup(encoding).name in UTF_8 else _other_lines(path, encoding)
    for number, line in lines:
        if "\0" in line:
            byte = len(line[: line.index("\0")].encode(encoding, "surrogatepass")) + 1
            raise DataError(f"{path}:{number}: byte {byte}: expected text, found a NUL byte")
        yield number, line


def _ends_in_carriage_returns(path: Path, encoding: str) -> bool:
    """Whether the first line ends in a carriage return."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        try:
            return file.readline().endswith("\r")
        except UnicodeError:
            return False  # the error is raised when the lines are read


def _utf8_lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(_raw_lines(path), 1):
        mark = _length_of_marks(raw) if number == 1 else 0
        if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(
                f"{path}:1: byte 1: expected UTF-8, found UTF-16; save the file as UTF-8, or read it with "
                "encoding=utf-16"
            )
        try:
            yield number, raw[mark:].decode("utf-8")
        except UnicodeDecodeError as error:
            where = f"{path}:{number}: byte {mark + error.start + 1}"
            found = f"0x{error.object[error.start]:02x} ({error.reason})"
            raise DataError(
                f"{where}: expected UTF-8, found {found}; convert the file to UTF-8, or name its encoding, such as "
                "encoding=cp1252"
            ) from error


def _length_of_marks(raw: bytes) -> int:
    """Number of bytes of the byte order marks at the start; a file that was saved twice may have two."""
    length = 0
    while raw.startswith(codecs.BOM_UTF8, length):
        length += len(codecs.BOM_UTF8)
    return length


def _raw_lines(path: Path) -> Iterator[bytes]:
    carriage_returns = _ends_in_carriage_returns(path, "utf-8")
    with path.open("rb") as file:
        for raw in file:
            if carriage_returns:
                yield from raw.splitlines(keepends=True)
            else:
                yield raw


def _other_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    number = 0
    with path.open(encoding=encoding, newline="" if _ends_in_carriage_returns(path, encoding) else "\n") as file:
        while True:
            try:
                line = file.readline()
            except UnicodeError as error:
                raise DataError(f"{path}: after line {number}: expected text in {encoding}, found: {error}") from error
            if not line:
                return
            number += 1
            yield number, line.lstrip("\ufeff") if number == 1 else line
