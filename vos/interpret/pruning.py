"""Which tokens of a text a target needs: greedy two-sided pruning, many texts and many targets together.

The token with the least effect is taken out while what is left keeps half of the target's value (of a side of the
margin: while the side is kept). An encoder reads to both sides, so nothing is cut before the key token, as Neuron2Graph
does for decoders (Foote et al. 2023, arXiv 2304.12918).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vos.interpret.activations import TAKEN_OUT, Activations, Row

T = TypeVar("T")

Asking = Generator[list[Row], NDArray[np.float32], T]
"""A piece of work on one target that yields the rows whose values it needs next, is sent them, and returns."""


@dataclass(frozen=True)
class Pruned:
    """What is left of a text.

    Attributes:
        row: the whole text.
        kept: places that are left, ascending; () where the target is not about the words of this text.
        full: value on the whole text.
        value: on what is left.
        floor: what had to be kept.
        saliency: of each kept place, the share of `value` that is lost without it, in [0, 1].
    """

    row: Row
    kept: tuple[int, ...]
    full: float
    value: float
    floor: float
    saliency: tuple[float, ...]

    @property
    def left(self) -> Row:
        """The row with everything else taken out."""
        return only(self.row, self.kept)


def only(row: Row, kept: Iterable[int]) -> Row:
    """The row with all but the kept places taken out.

    Example:
        >>> only((7, 8, 9), [1])
        (-1, 8, -1)
    """
    places = set(kept)
    return tuple(token if place in places else TAKEN_OUT for place, token in enumerate(row))


def prune(row: Row, keep_side: bool = False, exact: int = 5) -> Asking[Pruned | None]:
    """Take out of a row what the target does not need; to be run by `run_together`.

    From a row of at most `exact` tokens the one with the least effect is taken out again and again, every choice being
    made among all that are left. A longer row is first brought down to that many: those tokens first that excite the
    target least when they stand alone, many at a time, half as many where it was too much. To read every token alone
    costs a seventh of reading every text without one token.

    The floor is half of the full value, or 0 for a side of the margin. Where the text without any word keeps that
    much, nothing would be left to see: the floor is then half way from its value to the full one.

    Args:
        row: token ids.
        keep_side: of a side of the margin: as little may be left as keeps the value above 0.
        exact: tokens from which on every choice is made among all.

    Returns:
        None for a row without tokens, or whose value is not above 0 and above that of no words.
    """
    if not row:
        return None
    everything = tuple(range(len(row)))
    longer = len(row) > exact
    first = yield [row, only(row, ()), *(only(row, [place]) for place in everything if longer)]
    full, empty = float(first[0]), float(first[1])
    if full <= max(empty, 0.0):
        return None
    floor = 0.0 if keep_side else full / 2
    if empty >= floor:
        floor = (empty + full) / 2
    kept = everything
    if longer:
        order = sorted(everything, key=lambda place: (float(first[2 + place]), -place))
        kept = yield from _coarse(row, order, floor, exact)
    return (yield from _exact(row, kept, full, floor))


def _coarse(row: Row, order: list[int], floor: float, exact: int) -> Asking[tuple[int, ...]]:
    """Bring a row down to `exact` places, in an order, as far as the floor lets it."""
    kept, open_ = set(order), list(order)
    size = len(open_) - exact
    while len(kept) > exact and open_:
        size = min(size, len(kept) - exact, len(open_))
        trial = kept.difference(open_[:size])
        values = yield [only(row, trial)]
        if values[0] >= floor:
            kept, open_ = trial, open_[size:]
            size *= 2
        elif size == 1:
            open_ = open_[1:]
        else:
            size //= 2
    return tuple(sorted(kept))


def _exact(row: Row, kept: tuple[int, ...], full: float, floor: float) -> Asking[Pruned]:
    """Take out the place without which most is left, until no place can go."""
    value = float((yield [only(row, kept)])[0])
    while True:
        without = [_minus(kept, place) for place in kept]
        values = yield [only(row, each) for each in without]
        best = max(range(len(kept)), key=lambda i: (float(values[i]), i), default=None)
        if best is None or values[best] < floor:
            break
        kept, value = without[best], float(values[best])
    saliency = tuple(float(np.clip(1 - each / value, 0, 1)) for each in values.tolist()) if value > 0 else ()
    return Pruned(row, kept, full, value, floor, saliency)


def _minus(places: tuple[int, ...], place: int) -> tuple[int, ...]:
    return tuple(each for each in places if each != place)


def run_together(work: Sequence[tuple[int, Asking[T]]], activations: Activations) -> list[T]:
    """Results of many pieces of work; the rows that any of them asks for are read together, each once a round.

    One pass of a row gives the values of every target, so that work on many units of a layer shares what it can.

    Args:
        work: the target, a column of what `activations` gives, and the work on it.
        activations: see `Activations`.
    """
    results: dict[int, T] = {}
    asked: dict[int, list[Row]] = {}

    def step(i: int, values: NDArray[np.float32] | None) -> None:
        try:
            asked[i] = next(work[i][1]) if values is None else work[i][1].send(values)
        except StopIteration as end:
            results[i] = end.value
            asked.pop(i, None)

    for i in range(len(work)):
        step(i, None)
    while asked:
        places: dict[Row, int] = {}
        index = {i: [places.setdefault(row, len(places)) for row in rows] for i, rows in asked.items()}
        values = activations(list(places))
        for i, rows_of in index.items():
            step(i, values[rows_of, work[i][0]])
    return [results[i] for i in range(len(work))]
