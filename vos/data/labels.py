"""Class names: from raw values to class indices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vos.errors import ConfigError

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def label_key(value: Any) -> str | None:
    """A raw label as the string that label maps use, or None when there is no label.

    Surrounding white space does not count, and 1.0 (how tables store integers with gaps) reads as "1".

    Example:
        >>> label_key(1.0), label_key(" hate "), label_key(True), label_key("")
        ('1', 'hate', 'True', None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value:  # NaN, how tables store a gap
        return None
    return str(value).strip() or None


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key: numbers by value and first, then names with the numbers in them by value.

    Example:
        >>> sorted(["level 10", "10", "level 9", "9", "-1"], key=natural_key)
        ['-1', '9', '10', 'level 9', 'level 10']
    """
    if NUMBER.fullmatch(name):
        return (0, float(name), name)
    parts = [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
    return (1, parts, name)


def class_order(ordered: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
    """Class names in index order.

    Args:
        ordered: class names in the order that holds when nothing else is said.
        positive: for two classes, the harmful one, which gets index 1; None keeps the order.

    Raises:
        ConfigError: `positive` is not a class, or there are not two classes.
    """
    if positive is None:
        return ordered
    positive = str(positive)
    if positive not in ordered:
        raise ConfigError(f"positive: expected one of the classes {list(ordered)}, found {positive!r}")
    if len(ordered) != 2:
        raise ConfigError(
            f"positive: expected two classes, found {len(ordered)}: {list(ordered)}; "
            "merge classes with label_map, or leave positive unset"
        )
    return (*(name for name in ordered if name != positive), positive)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=natural_key))


class LabelCodec:
    """From raw labels to class indices.

    Args:
        raw: raw labels (see `label_key`) of the training texts; they are the classes where nothing else names them.
        label_map: raw label to class name, or None.
        fixed: class names in index order, as a data set declares them, or None.
        positive: see `class_order`.

    Attributes:
        names: class names in index order.
        known: raw labels that have a class, sorted.
    """

    def __init__(
        self,
        raw: Iterable[str],
        label_map: Mapping[str, str | int] | None,
        fixed: Sequence[str] | None,
        positive: str | None,
    ) -> None:
        if label_map is not None:
            class_of = {str(label_key(key)): str(name) for key, name in label_map.items()}
            self.names = class_order(_sorted(class_of.values()), positive)
        elif fixed is not None:
            class_of = {name: name for name in fixed}
            self.names = class_order(tuple(fixed), positive)
        else:
            class_of = {name: name for name in raw}
            self.names = class_order(_sorted(class_of), positive)
        index = {name: i for i, name in enumerate(self.names)}
        self._index_of = {key: index[name] for key, name in class_of.items()}
        self.known = _sorted(self._index_of)

    def index(self, raw: str) -> int | None:
        """Class index of a raw label, or None when it is unknown."""
        return self._index_of.get(raw)
