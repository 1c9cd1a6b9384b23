"""Naive readers of csv, tsv and text files, one character at a time (RFC 4180)."""

from __future__ import annotations

from typing import Any

from benchmarks.fuzz.reference_rows import Unreadable


def decoded(content: bytes, encoding: str) -> str:
    """The whole file as text, without a byte order mark.

    Raises:
        Unreadable: it is not of this encoding, or holds a NUL.
    """
    if encoding == "utf-16" and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("no mark that says which byte comes first")
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        raise Unreadable(f"not {encoding}") from error
    if "\0" in text:
        raise Unreadable("a NUL")
    return text.lstrip("\ufeff")


def lines(text: str) -> list[str]:
    """Lines without their ends: at line feeds, or where the first line ends in a carriage return alone at those too."""
    found, start, by_return = [], 0, ends_in_returns(text)
    for place, character in enumerate(text):
        if place < start:
            continue
        if character == "\n":
            found.append(text[start:place])
            start = place + 1
        elif character == "\r" and by_return:
            found.append(text[start:place])
            start = place + (2 if text[place + 1 : place + 2] == "\n" else 1)
    return [*found, text[start:]] if start < len(text) else found


def ends_in_returns(text: str) -> bool:
    """Whether a carriage return alone ends the first line."""
    first = min((place for place in (text.find("\r"), text.find("\n")) if place >= 0), default=-1)
    return first >= 0 and text[first] == "\r" and text[first + 1 : first + 2] != "\n"


def split_rows(text: str, separator: str) -> list[tuple[int, Any]]:
    """Rows of a file in which a double quote is a plain character."""
    records = [(number, line.rstrip("\r")) for number, line in enumerate(lines(text), 1)]
    return _by_name([(number, line.split(separator)) for number, line in records if line])


def quoted_rows(text: str, separator: str) -> list[tuple[int, Any]]:
    """Rows of a file whose fields may stand in double quotes.

    Raises:
        Unreadable: its quoting is not valid.
    """
    return _by_name(_Quoted(text, separator).read())


class _Quoted:
    """A machine with four states: at the start of a field, in a plain one, in a quoted one, and after a quote in it."""

    def __init__(self, text: str, separator: str) -> None:
        self.text, self.separator, self.by_return = text, separator, ends_in_returns(text)
        self.records: list[tuple[int, list[str]]] = []
        self.fields: list[str] = []
        self.field: list[str] = []
        self.state = "start"
        self.line = self.first = 1

    def read(self) -> list[tuple[int, list[str]]]:
        place = 0
        while place < len(self.text):
            character = self.text[place]
            ends = character in "\r\n" and self.state != "quoted"
            if ends:
                self._end_record()
                place = self._after_end(place)
                self.first = self.line
                continue
            self._take(character)
            after = self.text[place + 1 : place + 2]
            if character == "\n" or (character == "\r" and self.by_return and after != "\n"):
                self.line += 1
            place += 1
        if self.state == "quoted":
            raise Unreadable("a quote that is never closed")
        self._end_record()
        return self.records

    def _take(self, character: str) -> None:
        if self.state == "quoted":
            if character == '"':
                self.state = "after"
            else:
                self.field.append(character)
        elif self.state == "after" and character == '"':
            self.field.append('"')
            self.state = "quoted"
        elif character == self.separator:
            self._end_field()
        elif self.state == "after":
            raise Unreadable("something after a closing quote")
        elif self.state == "start" and character == '"':
            self.state = "quoted"
        else:
            self.field.append(character)
            self.state = "plain"

    def _end_field(self) -> None:
        self.fields.append("".join(self.field))
        self.field, self.state = [], "start"

    def _end_record(self) -> None:
        if self.fields or self.field or self.state != "start":
            self._end_field()
            self.records.append((self.first, self.fields))
            self.fields = []

    def _after_end(self, place: int) -> int:
        """Where the next line begins; carriage returns in front of a line feed belong to it."""
        self.line += 1
        if self.text[place] == "\n":
            return place + 1
        if self.by_return:
            return place + (2 if self.text[place + 1 : place + 2] == "\n" else 1)
        while self.text[place : place + 1] == "\r":
            place += 1
        if self.text[place : place + 1] not in ("\n", ""):
            raise Unreadable("a carriage return within a line")
        return place + 1


def _by_name(records: list[tuple[int, list[str]]]) -> list[tuple[int, Any]]:
    """Rows by the names in the first record; a string for those of another width."""
    if not records:
        return []
    names = [name.strip() for name in records[0][1]]
    if len({name for name in names if name}) < len([name for name in names if name]):
        raise Unreadable("a name twice")
    return [
        (line, dict(zip(names, fields, strict=True)) if len(fields) == len(names) else "of another width")
        for line, fields in records[1:]
    ]
