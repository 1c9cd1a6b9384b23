"""Class names: from raw values to class indices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vos.harmful import Positive, harmful_classes

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


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=natural_key))


class LabelCodec:
    """From raw labels to class indices.

    Args:
        raw: raw labels (see `label_key`) of the training texts; they are the classes where nothing else names them.
        label_map: raw label to class name, or None.
        fixed: class names in index order, as a data set declares them, or None.
        positive: see `vos.harmful.harmful_classes`.

    Attributes:
        names: class names in index order: sorted, or as declared, and the harmful ones last.
        harmful: indices of the harmful classes; () where no class is.
        known: raw labels that have a class, sorted.
    """

    def __init__(
        self,
        raw: Iterable[str],
        label_map: Mapping[str, str | int] | None,
        fixed: Sequence[str] | None,
        positive: Positive,
    ) -> None:
        if label_map is not None:
            class_of = {str(label_key(key)): str(name) for key, name in label_map.items()}
            ordered = _sorted(class_of.values())
        elif fixed is not None:
            class_of = {name: name for name in fixed}
            ordered = tuple(fixed)
        else:
            class_of = {name: name for name in raw}
            ordered = _sorted(class_of)
        harmful = harmful_classes(ordered, positive)
        self.names = (*(n for i, n in enumerate(ordered) if i not in harmful), *(ordered[i] for i in harmful))
        self.harmful = tuple(range(len(ordered) - len(harmful), len(ordered)))
        index = {name: i for i, name in enumerate(self.names)}
        self._index_of = {key: index[name] for key, name in class_of.items()}
        self.known = _sorted(self._index_of)

    def index(self, raw: str) -> int | None:
        """Class index of a raw label, or None when it is unknown."""
        return self._index_of.get(raw)
