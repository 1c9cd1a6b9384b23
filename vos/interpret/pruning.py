"""Which tokens of a text a target needs: greedy two-sided pruning, batched over many texts and targets.

The token with the least effect is removed as long as the remaining text keeps half of the target's value (for a side of
the margin: as long as the side is kept). An encoder uses context on both sides, so the text is not simply cut before
the key token, as Neuron2Graph does for decoders (Foote et al. 2023, arXiv 2304.12918).
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
"""A coroutine for one target: it yields the rows whose values it needs, receives the values, and returns a result."""


@dataclass(frozen=True)
class Pruned:
    """A pruned text.

    Attributes:
        row: the whole text.
        kept: positions that are left, ascending; () if the target does not depend on the words of this text.
        full: value of the whole text.
        value: value of the pruned text.
        floor: value that had to be kept.
        saliency: for each kept position, the share of `value` that is lost without it, in [0, 1].
    """

    row: Row
    kept: tuple[int, ...]
    full: float
    value: float
    floor: float
    saliency: tuple[float, ...]

    @property
    def left(self) -> Row:
        """The row with everything else removed."""
        return only(self.row, self.kept)


def only(row: Row, kept: Iterable[int]) -> Row:
    """The row with all but the kept positions removed.

    Example:
        >>> only((7, 8, 9), [1])
        (-1, 8, -1)
    """
    places = set(kept)
    return tuple(token if place in places else TAKEN_OUT for place, token in enumerate(row))


def prune(row: Row, keep_side: bool = False, exact: int = 5) -> Asking[Pruned | None]:
    """Remove from a row what the target does not need; to be run by `run_together`.

    From a row of at most `exact` tokens, the token with the least effect is removed repeatedly, comparing all remaining
    tokens each time. A longer row is first reduced to that length: tokens with the lowest value on their own are
    removed first, many at a time, and half as many if that was too many. Reading every token on its own costs a seventh
    of reading every text without one token.

    The floor is half of the full value, or 0 for a side of the margin. If the text without any words already reaches
    it, nothing would be left: the floor is then half-way between that value and the full one.

    Args:
        row: token ids.
        keep_side: for a side of the margin: keep the value above 0 instead of half of it.
        exact: number of tokens from which all remaining tokens are compared.

    Returns:
        None for a row without tokens, or whose value is not above 0 and above that without words.
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
    """Reduce a row to `exact` positions in a given order, as far as the floor permits."""
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
    """Remove the position whose removal leaves the most, until none can be removed."""
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
    """Run many coroutines and return their results; their requested rows are read together, each once per round.

    One pass of a row gives the values of all targets, so that the units of a layer share it.

    Args:
        work: pairs of a target, as a column index of the activations, and its coroutine.
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
