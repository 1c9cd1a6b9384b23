"""The result of verifying a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Mismatch(NamedTuple):
    """A stored value that differs from the recomputed one.

    Attributes:
        id: id of the text; name of the file if the value concerns the whole file.
        field: name of the value, as in the columns of a sheet.
        stored: value in the file.
        found: recomputed value; never a text, texts are named by their ids.
    """

    id: str
    field: str
    stored: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.id}: {self.field} is {self.stored!r} in the file, {self.found!r} when computed again"


@dataclass
class Verification:
    """Counts and mismatches of a verification.

    Attributes:
        tolerance: largest difference of two numbers that count as equal, absolute and relative.
        texts: number of texts in the file.
        made: number of these that a language model wrote.
        values: number of stored values that were compared.
        mismatches: the values that differ.
        reproduced: number of targets whose texts were made again.
        not_reproduced: number of made texts that were not made again, by reason.
    """

    tolerance: float
    texts: int = 0
    made: int = 0
    values: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    reproduced: int = 0
    not_reproduced: dict[str, int] = field(default_factory=dict)

    def compare(self, id: str, name: str, stored: Any, found: Any) -> None:
        """Compare one value; numbers may differ by the tolerance, everything else must be equal."""
        self.values += 1
        numbers = [value for value in (stored, found) if isinstance(value, int | float)]
        if len(numbers) == 2 and all(math.isfinite(value) for value in numbers):
            same = abs(stored - found) <= self.tolerance * (1 + abs(found))
        else:
            same = stored == found
        if not same:
            self.mismatches.append(Mismatch(id, name, stored, found))
