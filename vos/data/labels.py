"""Converts raw label values to class names and class indices."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vos.errors import ConfigError
from vos.harmful import Positive, harmful_classes

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
WHOLE = re.compile(r"([+-]?)0*([0-9]+)\.0+")
WHOLE_EXPONENT = re.compile(r"[+-]?[0-9](\.[0-9]*)?[eE][+-][0-9]{2}")
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
QUOTED_FIRST = re.compile(r"\s*[\[{]\s*['\"]")
TRUTH = {"true": "True", "false": "False"}

NOT_A_NUMBER = ("nan", "NaN", "NAN", "<NA>", "NaT")
"""How tables write a missing number or text; none of these is a sensible text, class or name."""

MISSING = ("nan", "NaN", "NAN", "<NA>", "NaT", "None", "NA", "#N/A", "null", "NULL", "\\N")
"""Cells without a value, exactly as data frames, R, spreadsheets and databases write them; "none" is a class."""


def label_key(value: Any, missing: Collection[str] = NOT_A_NUMBER) -> str | None:
    """Return a raw label as the string used in label maps, or None if there is no label.

    Surrounding white space is ignored; 1.0 (as tables store integers with missing values) and 1.0e+00 become "1"; true
    and false become "True" and "False", in any spelling. 1 and true are different labels.

    Args:
        value: a number, a boolean, a string, or None.
        missing: strings that mean no label.

    Example:
        >>> label_key(1.0), label_key("1.0e+00"), label_key(" hate "), label_key("TRUE"), label_key("nan")
        ('1', '1', 'hate', 'True', None)
    """
    key = cell_key(value, missing)
    if key is not None and WHOLE_EXPONENT.fullmatch(key) and float(key).is_integer():  # as numpy writes text files
        return str(int(float(key)))
    return key if key is None else TRUTH.get(key.casefold(), key)


def cell_key(value: Any, missing: Collection[str] = NOT_A_NUMBER) -> str | None:
    """Like `label_key`, for ids and groups: strings are not normalised, except those in `missing`."""
    if hasattr(value, "item") and not getattr(value, "shape", None):  # a numpy or torch scalar
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, float) and value != value):
        return None
    text = str(value).strip()
    if not text or text in missing:
        return None
    if (whole := WHOLE.fullmatch(text)) is None:
        return text
    sign, digits = whole.groups()  # not with `int`, which refuses strings of some thousand digits
    return f"-{digits}" if sign == "-" and digits != "0" else digits


def folded(name: str) -> str:
    """Normalise the spelling of a class: lower case, single spaces.

    Example:
        >>> folded(" Hate  Speech") == folded("hate speech")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def spelled(name: Any, names: Collection[str]) -> str:
    """The element of `names` of which `name` is a spelling; if there is none, `name` as a string."""
    key = str(label_key(name, ()))
    same = [each for each in names if folded(each) == folded(key)]
    return key if key in names or len(same) != 1 else same[0]


def nested(value: Any) -> list[Any] | dict[Any, Any] | None:
    """The list or object in a cell, also if a table stores it as text; None if it is neither.

    Example:
        >>> nested("['harm']"), nested([]), nested("[sic]")
        (['harm'], [], None)
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple) or getattr(value, "shape", None):
        return list(value)
    if isinstance(value, str) and value.strip()[:1] in ("[", "{") and value.strip()[-1:] in ("]", "}"):
        for text in (value, value.replace("'", '"')):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                continue
            return found if isinstance(found, list | dict) else None
        if QUOTED_FIRST.match(value):  # for example a printed numpy array
            return [one or other for one, other in QUOTED.findall(value)]
    return None


def any_of(labels: Iterable[Any], harmful: Sequence[str]) -> str:
    """Reduce several labels to one: the joined names of `harmful` if any of them occurs, otherwise "not" before it.

    Example:
        >>> any_of(["Threat", "spam"], ["harm", "threat"]), any_of([], ["harm"])
        ('harm or threat', 'not harm')
    """
    name = " or ".join(harmful)
    wanted = {folded(str(label_key(each, ()))) for each in harmful}
    return name if any(folded(str(label_key(label, ()))) in wanted for label in labels) else f"not {name}"


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key: numbers first, by value, then names, with the numbers in them compared by value.

    Example:
        >>> sorted(["level 10", "10", "level 9", "9", "-1"], key=natural_key)
        ['-1', '9', '10', 'level 9', 'level 10']
    """
    if NUMBER.fullmatch(name):
        return (0, float(name), name)
    parts = re.split(r"0*([0-9]+)", name)  # digit strings of any length are compared without conversion
    return (1, [(len(part), part) if i % 2 else (0, part) for i, part in enumerate(parts)], name)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=natural_key))


class LabelCodec:
    """Maps raw labels to class indices. Spellings that differ only in case or spaces are one class.

    Args:
        raw: raw labels (see `label_key`) of all training texts; they are the classes if nothing else names them, each
            in its most frequent spelling, and in lower case if two are equally frequent.
        label_map: raw label to class name, or None.
        fixed: class names in index order as declared by a data set, or None.
        positive: see `vos.harmful.harmful_classes`.

    Attributes:
        names: class names in index order: sorted, or as declared, with the harmful ones last.
        harmful: indices of the harmful classes; () if no class is harmful.
        known: raw labels that have a class, sorted.

    Raises:
        ConfigError: a label map without classes, or with two classes for spellings of one label; or see `class_order`.
    """

    def __init__(
        self,
        raw: Iterable[str],
        label_map: Mapping[str, str | int] | None,
        fixed: Sequence[str] | None,
        positive: Positive,
    ) -> None:
        if label_map is not None:
            class_of = _mapped(label_map)
            ordered = _sorted(class_of.values())
        elif fixed is not None:
            class_of = {name: name for name in fixed}
            ordered = tuple(fixed)
        else:
            class_of = {name: name for name in _most_frequent(Counter(raw))}
            ordered = _sorted(class_of)
        harmful = harmful_classes(ordered, positive)
        self.names = (*(n for i, n in enumerate(ordered) if i not in harmful), *(ordered[i] for i in harmful))
        self.harmful = tuple(range(len(ordered) - len(harmful), len(ordered)))
        index = {name: i for i, name in enumerate(self.names)}
        self._index_of = {key: index[name] for key, name in class_of.items()}
        self._by_fold: dict[str, set[int]] = {}
        for key, place in self._index_of.items():
            self._by_fold.setdefault(folded(key), set()).add(place)
        self.known = _sorted(self._index_of)

    def index(self, raw: str) -> int | None:
        """Class index of a raw label, or None if it is unknown."""
        if raw in self._index_of:
            return self._index_of[raw]
        places = self._by_fold.get(folded(raw), set())
        return next(iter(places)) if len(places) == 1 else None

    def spellings(self, raw: Iterable[str]) -> dict[str, list[str]]:
        """By class name, raw labels that differ only in spelling, most frequent first."""
        counts = Counter(raw)
        by_fold: dict[str, list[str]] = {}
        for name, _ in counts.most_common():
            by_fold.setdefault(folded(name), []).append(name)
        several = [names for names in by_fold.values() if len(names) > 1]
        places = {self.index(name) for names in several for name in names}
        return {
            self.names[place]: [name for names in several for name in names if self.index(name) == place]
            for place in sorted(place for place in places if place is not None)
        }


def _most_frequent(counts: Counter[str]) -> list[str]:
    """One spelling of each label."""
    best: dict[str, str] = {}
    for name in sorted(counts, key=lambda each: (-counts[each], each.swapcase())):
        best.setdefault(folded(name), name)
    return list(best.values())


def _mapped(label_map: Mapping[Any, Any]) -> dict[str, str]:
    """Raw label to class name, each class in one spelling."""
    class_of: dict[str, str] = {}
    spelling: dict[str, str] = {}
    of_fold: dict[str, str] = {}
    for key, value in label_map.items():
        if value is None:
            raise ConfigError(f"label_map: expected a class name for {key!r}, found none")
        name = spelling.setdefault(folded(str(value)), str(value))
        raw = str(label_key(key, ()))
        if of_fold.setdefault(folded(raw), name) != name:
            raise ConfigError(f"label_map: expected one class for the spellings of {raw!r}, found two")
        class_of[raw] = name
    return class_of
