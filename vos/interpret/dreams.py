"""Texts that excite a unit, a direction or the margin: made ones that are there, real ones, and new ones on request.

Not optimised tokens, which no person can read: whoever writes the new texts keeps the rules of made texts, and all that
is done here is to show the writer the texts that excite most and to keep what excites more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Write = Callable[[Sequence[str], int], Sequence[str]]
"""Given examples and a number of the round writes new texts like the examples, as many as it likes."""


@dataclass(frozen=True)
class Dream:
    """A text and how much it excites.

    Attributes:
        value: of the target.
        index: of a text that was there; None of a new one.
        text: of a new one; None of a text that was there.
    """

    value: float
    index: int | None = None
    text: str | None = None


def exciting(values: NDArray[np.floating], made: NDArray[np.bool_], n: int = 6) -> list[Dream]:
    """The texts that excite a target: the made ones among the most exciting first, then real ones.

    A made text counts where it excites at least as much as the n-th real one does half: among texts that leave the
    target alone, being made is no merit.

    Args:
        values: (m,) of the target.
        made: (m,) bool, texts that a language model wrote for the run.
        n: texts of each kind, at most.

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
    """New texts that excite a target, the most exciting first; none where the writer has none that does.

    In every round the writer is shown the most exciting texts that there are, real and new ones, and what it writes is
    read. Real texts are only ever examples.

    Args:
        write: see `Write`.
        read: values (m,) of texts.
        starts: real texts to begin with, the most exciting ones.
        n: new texts that are given back, at most.
        rounds: as many.
        n_examples: texts that are shown in a round.
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
