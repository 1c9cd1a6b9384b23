"""Texts that strongly activate a unit, a direction or the margin: existing generated texts, real texts, and new ones.

Tokens are not optimised, as the results would be unreadable: the writer of new texts follows the rules of generated
texts. It is shown the most strongly activating texts, and those of its texts that activate more are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Write = Callable[[Sequence[str], int], Sequence[str]]
"""Writes any number of new texts like the given examples; the second argument is the number of the round."""


@dataclass(frozen=True)
class Dream:
    """A text and its activation.

    Attributes:
        value: value of the target.
        index: index of an existing text; None for a new one.
        text: the new text; None for an existing one.
    """

    value: float
    index: int | None = None
    text: str | None = None


def exciting(values: NDArray[np.floating], made: NDArray[np.bool_], n: int = 6) -> list[Dream]:
    """The texts that activate a target most: strongly activating generated texts first, then real ones.

    A generated text is included if its value is at least half of that of the n-th real one, so that generated texts
    that do not activate the target are left out.

    Args:
        values: (m,) values of the target.
        made: (m,) bool, texts that a language model wrote for the run.
        n: largest number of texts of each kind.

    Example:
        >>> [d.index for d in exciting(np.array([3.0, 2.0, 1.0, 2.5]), np.array([False, False, False, True]), 2)]
        [3, 0, 1]
    """
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 0]
    real = order[~made[order]][:n]
    least = float(values[real[-1]]) / 2 if len(real) else 0.0
    own = order[made[order] & (values[order] >= least)][:n]
    return [Dream(float(values[i]), index=int(i)) for i in (*own, *real)]


def written(
    write: Write,
    read: Callable[[Sequence[str]], NDArray[np.floating]],
    starts: Sequence[str],
    n: int = 4,
    rounds: int = 3,
    n_examples: int = 6,
) -> list[Dream]:
    """New texts that activate a target, strongest first; empty if the writer has none.

    In every round the writer is shown the most strongly activating texts so far, real and new, and its texts are read.
    Real texts are only used as examples.

    Args:
        write: see `Write`.
        read: returns the values (m,) of texts.
        starts: the most strongly activating real texts, as first examples.
        n: largest number of new texts returned.
        rounds: number of rounds.
        n_examples: number of texts shown in a round.
    """
    known = dict(zip(starts, read(list(starts)).tolist(), strict=True)) if starts else {}
    fresh: dict[str, float] = {}
    for number in range(rounds if known else 0):
        ranked = sorted({**known, **fresh}.items(), key=lambda item: (-item[1], item[0]))
        texts = [each for each in write([text for text, _ in ranked[:n_examples]], number) if each not in known]
        new = list(dict.fromkeys(text for text in texts if text not in fresh))
        if new:
            fresh.update(zip(new, read(new).tolist(), strict=True))
    best = sorted(fresh.items(), key=lambda item: (-item[1], item[0]))
    return [Dream(float(value), text=text) for text, value in best[:n] if value > 0]
