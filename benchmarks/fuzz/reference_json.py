"""A naive JSON reader, one character at a time (RFC 8259, and NaN and Infinity, which Python and pandas write)."""

from __future__ import annotations

from typing import Any

from benchmarks.fuzz.reference_rows import Unreadable
from benchmarks.fuzz.reference_tables import lines

SPACE = " \t\n\r"
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = {"true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": float("inf"),
         "-Infinity": float("-inf")}  # fmt: skip
LONGEST_NUMBER = 4300
"""Digits of a whole number, which Python itself refuses to exceed."""


class Twice(Unreadable):
    """An object with one name twice: which value holds, nobody can tell."""


class _Reader:
    def __init__(self, text: str, at: int = 0) -> None:
        self.text, self.at = text, at

    def space(self) -> None:
        while self.text[self.at : self.at + 1] in SPACE and self.at < len(self.text):
            self.at += 1

    def take(self, wanted: str) -> bool:
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def value(self) -> Any:
        if self.take("{"):
            return self._object()
        if self.take("["):
            return self._array()
        if self.take('"'):
            return self._string()
        for word, value in WORDS.items():
            if self.take(word):
                return value
        return self._number()

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        twice = False
        self.space()
        while not self.take("}"):
            if not self.take('"'):
                raise Unreadable("expected a name")
            name = self._string()
            self.space()
            if not self.take(":"):
                raise Unreadable("expected a colon")
            self.space()
            twice |= name in found
            found[name] = self.value()
            self.space()
            if self.take(","):
                self.space()
                if self.text[self.at : self.at + 1] != '"':
                    raise Unreadable("expected a name")
            elif self.text[self.at : self.at + 1] != "}":
                raise Unreadable("expected a comma")
        if twice:
            raise Twice("a name twice")
        return found

    def _array(self) -> list[Any]:
        found = []
        self.space()
        while not self.take("]"):
            found.append(self.value())
            self.space()
            if self.take(","):
                self.space()
                if self.text[self.at : self.at + 1] == "]":
                    raise Unreadable("expected a value")
            elif self.text[self.at : self.at + 1] != "]":
                raise Unreadable("expected a comma")
        return found

    def _string(self) -> str:
        parts = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(parts)
            if ord(character) < 32:
                raise Unreadable("a control character in a string")
            if character == "\\":
                character = self._escape()
            parts.append(character)
        raise Unreadable("a string that is never closed")

    def _escape(self) -> str:
        kind = self.text[self.at : self.at + 1]
        self.at += 1
        if kind in ESCAPES and kind:
            return ESCAPES[kind]
        if kind != "u":
            raise Unreadable("an unknown escape")
        high = self._unit()
        if 0xD800 <= high <= 0xDBFF and self.text[self.at : self.at + 2] == "\\u":
            before, self.at = self.at, self.at + 2
            low = self._unit()
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            self.at = before
        return chr(high)

    def _unit(self) -> int:
        digits = self.text[self.at : self.at + 4]
        if len(digits) < 4 or not set(digits) <= set("0123456789abcdefABCDEF"):
            raise Unreadable("a broken escape")
        self.at += 4
        return int(digits, 16)

    def _number(self) -> int | float:
        start = self.at
        self.take("-")
        whole = self._digits()
        if not whole or (whole[0] == "0" and len(whole) > 1):
            self.at = start
            raise Unreadable("no value")
        kind: type[int] | type[float] = int
        for sign in (".", "eE"):
            place = self.at
            if self.text[self.at : self.at + 1] and self.text[self.at] in sign:
                self.at += 1
                if sign == "eE" and self.text[self.at : self.at + 1] in ("+", "-"):
                    self.at += 1
                if not self._digits():
                    self.at = place  # the number ends before it
                    break
                kind = float
        if kind is int and len(whole) > LONGEST_NUMBER:
            raise Unreadable("a number too long")
        return kind(self.text[start : self.at])

    def _digits(self) -> str:
        start = self.at
        while self.text[self.at : self.at + 1] and self.text[self.at] in "0123456789":
            self.at += 1
        return self.text[start : self.at]


def json_value(text: str) -> Any:
    """The one value of a text.

    Raises:
        Unreadable: it is not JSON.
    """
    reader = _Reader(text)
    try:
        reader.space()
        value = reader.value()
        reader.space()
    except RecursionError as error:
        raise Unreadable("too deep") from error
    if reader.at != len(text):
        raise Unreadable("something after the value")
    return value


def jsonl_rows(text: str) -> list[tuple[int, Any]]:
    """One object a line; a string for a line that is none."""
    found: list[tuple[int, Any]] = []
    for number, line in enumerate(lines(text), 1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
        except Unreadable as reason:
            value = str(reason)
        found.append((number, value if isinstance(value, dict) else "no object"))
    return found


def json_rows(text: str) -> list[tuple[int, Any]]:
    """Objects of one array, each with the line where it starts; a string for an element that is none.

    Raises:
        Unreadable: it is no array.
    """
    text = "\n".join(lines(text))
    reader, found = _Reader(text), []
    reader.space()
    if reader.at == len(text):
        return []
    if not reader.take("["):
        raise Unreadable("no array")
    reader.space()
    while not reader.take("]"):
        line = text.count("\n", 0, reader.at) + 1
        try:
            value = reader.value()
        except Twice as reason:
            raise Unreadable(str(reason)) from reason
        except RecursionError as error:
            raise Unreadable("too deep") from error
        found.append((line, value if isinstance(value, dict) else "no object"))
        reader.space()
        if reader.take(","):
            reader.space()
            if reader.text[reader.at : reader.at + 1] == "]":
                raise Unreadable("expected a value")
        elif reader.text[reader.at : reader.at + 1] != "]":
            raise Unreadable("expected a comma")
    reader.space()
    if reader.at != len(text):
        raise Unreadable("something after the array")
    return found
