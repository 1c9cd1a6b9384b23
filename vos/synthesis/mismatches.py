"""What the check of a file has found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Mismatch(NamedTuple):
    """A stored value that is not what it should be.

    Attributes:
        id: of the text; of the file for what concerns it as a whole.
        field: name of the value, as in the columns of a sheet.
        stored: in the file.
        found: recomputed. Never a text: texts are named by their ids.
    """

    id: str
    field: str
    stored: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.id}: {self.field} is {self.stored!r} in the file, {self.found!r} when computed again"


@dataclass
class Verification:
    """What was checked and what came of it.

    Attributes:
        tolerance: largest difference of two numbers that count as equal, absolute and relative.
        texts: texts of the file.
        made: those of them that a language model made.
        values: stored values that were compared.
        mismatches: those that differ.
        reproduced: targets whose texts were made again.
        not_reproduced: why made texts were not made again, with their number.
    """

    tolerance: float
    texts: int = 0
    made: int = 0
    values: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    reproduced: int = 0
    not_reproduced: dict[str, int] = field(default_factory=dict)

    def compare(self, id: str, name: str, stored: Any, found: Any) -> None:
        """Count one value; numbers may differ by the tolerance, everything else must be equal."""
        self.values += 1
        numbers = [value for value in (stored, found) if isinstance(value, int | float)]
        if len(numbers) == 2 and all(math.isfinite(value) for value in numbers):
            same = abs(stored - found) <= self.tolerance * (1 + abs(found))
        else:
            same = stored == found
        if not same:
            self.mismatches.append(Mismatch(id, name, stored, found))
