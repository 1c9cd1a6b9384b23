"""Checks whether a configuration value matches a type annotation, and describes the type in words."""

from __future__ import annotations

import ast
import difflib
import json
import math
from collections.abc import Iterable
from typing import Any

SEQUENCES = ("Sequence", "list", "tuple", "Iterable", "Collection", "List", "Tuple")
MAPPINGS = ("Mapping", "dict", "Dict")
TEXTS = ("str", "Path")
PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "Path": "a path",
    "None": "null",
}
"""In words."""


def accepts(kind: ast.expr, value: Any) -> bool:
    """Whether a plain value, list or mapping matches a type annotation.

    An integer counts as a float; booleans, NaN and infinity do not count as numbers. A class of settings accepts a
    mapping, whose entries are checked separately.

    Example:
        >>> number = ast.parse("float | None", mode="eval").body
        >>> accepts(number, 3), accepts(number, None), accepts(number, True), accepts(number, "3")
        (True, True, False, False)
    """
    if members := _members(kind):
        return any(accepts(each, value) for each in members)
    name = _name(kind)
    if name == "Literal":
        return value in choices(kind)
    if name in SEQUENCES:
        inside = [each for each in _inside(kind) if not _is_ellipsis(each)]
        return isinstance(value, list) and all(accepts(inside[0], each) for each in value if inside)
    if name in MAPPINGS:
        inside = _inside(kind)
        return isinstance(value, dict) and all(accepts(inside[1], each) for each in value.values() if inside)
    if name in PLAIN:
        return _is_plain(name, value)
    return name in ("Any", "object") or isinstance(value, dict)


def _is_plain(name: str, value: Any) -> bool:
    if name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if name == "None" else isinstance(value, bool if name == "bool" else str)


def takes_text(kind: ast.expr) -> bool:
    """Whether the type accepts a string, so that a number can be given for a string."""
    return any(_name(each) in TEXTS for each in _members(kind) or [kind])


def choices(kind: ast.expr) -> list[Any]:
    """The values of a `Literal`, also one within a union; [] if there is none."""
    found = [each for each in _members(kind) or [kind] if _name(each) == "Literal"]
    return [ast.literal_eval(each) for literal in found for each in _inside(literal)]


def in_words(kind: ast.expr) -> str:
    """Describe the expected type, for a message.

    Example:
        >>> in_words(ast.parse("Sequence[float] | None", mode="eval").body)
        'a list (each of it a number) or null'
    """
    if members := _members(kind):
        return " or ".join(dict.fromkeys(in_words(each) for each in members))
    name, inside = _name(kind), _inside(kind)
    if name == "Literal":
        return f"one of {', '.join(shown(each) for each in choices(kind))}"
    if name in SEQUENCES:
        return "a list" + (f" (each of it {in_words(inside[0])})" if inside else "")
    if name in MAPPINGS:
        return "a mapping {name: value}" + (f" (each value {in_words(inside[1])})" if inside else "")
    return PLAIN.get(name, "the settings below it")


def shown(value: Any) -> str:
    """A value as written on the command line, strings in quotation marks.

    Example:
        >>> shown(None), shown("a"), shown([True, 1.5])
        ('null', "'a'", '[true, 1.5]')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return (
        repr(value) if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, as the end of a message; "" if none is near.

    Example:
        >>> nearest("sead", ["seed", "n"])
        ', did you mean seed?'
    """
    found = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f", did you mean {found[0]}?" if found else ""


def _members(kind: ast.expr) -> list[ast.expr]:
    """Members of a union; [] for any other type."""
    if isinstance(kind, ast.BinOp):
        return [each for side in (kind.left, kind.right) for each in _members(side) or [side]]
    if _name(kind) == "Union":
        return _inside(kind)
    return [*_inside(kind), ast.Constant(None)] if _name(kind) == "Optional" else []


def _name(kind: ast.expr) -> str:
    """Name of a type without brackets and without its module."""
    if isinstance(kind, ast.Constant):
        return "None" if kind.value is None else str(kind.value)
    return ast.unparse(kind).partition("[")[0].rpartition(".")[2]


def _inside(kind: ast.expr) -> list[ast.expr]:
    """The arguments in brackets."""
    if not isinstance(kind, ast.Subscript):
        return []
    return list(kind.slice.elts) if isinstance(kind.slice, ast.Tuple) else [kind.slice]


def _is_ellipsis(kind: ast.expr) -> bool:
    return isinstance(kind, ast.Constant) and kind.value is ...
