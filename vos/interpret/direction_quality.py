"""Quality of directions: fidelity to the decision, stability on other texts, and coherence of their ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vos.interpret.directions import Code, Decomposition
from vos.interpret.linear_margin import Array, LinearMargin

Mask = NDArray[np.bool_]

TOP = 15
"""Number of texts at an end of a direction for its coherence."""

NAMED = 0.2
"""Smallest coherence for an end to be named; random texts have 0."""

MATCHED = 0.8
"""Cosine above which two directions count as the same."""


@dataclass(frozen=True)
class Fidelity:
    """How much of the margin the directions preserve.

    Attributes:
        same_decision: share of the texts whose side is unchanged without the residual; None without texts.
        r_squared: R² of the margin without the residual; None with fewer than two distinct margins.
        unexplained: share of the variance of the features not explained by the directions; None without variance.
    """

    same_decision: float | None
    r_squared: float | None
    unexplained: float | None


def fidelity(split: Decomposition, margin: LinearMargin, code: Code, near: Mask) -> Fidelity:
    """Fidelity: decision and R² on the texts of a mask (n,), unexplained variance on all n."""
    kept, true = split.explained[near], split.margins[near]
    same = float((np.signbit(kept) == np.signbit(true)).mean()) if len(true) else None
    spread = float(np.square(true - true.mean()).sum()) if len(true) else 0.0
    r_squared = 1.0 - float(np.square(true - kept).sum()) / spread if spread > 0 else None
    left = margin.features - code.centre - split.codes @ code.atoms
    total = float(np.square(margin.features - margin.features.mean(0)).sum())
    return Fidelity(same, r_squared, float(np.square(left).sum()) / total if total > 0 else None)


def variance_along(features: Array, normal: Array) -> float | None:
    """Share of the variance of features (n, d) along a normal (d,); None without variance.

    In an encoder that has learned the classes the normal is a direction of large variance; in a random one it is not.
    """
    centred, size = features - features.mean(0), float(np.linalg.norm(normal))
    total = float(np.square(centred).sum())
    return float(np.square(centred @ (normal / size)).sum()) / total if total > 0 and size > 0 else None


def matched_share(first: Array, second: Array, at_least: float = MATCHED) -> float:
    """Share of directions (k, d) matched in (l, d) with |cosine| > `at_least`, in the pairing with the largest sum.

    Example:
        >>> matched_share(np.eye(3), np.array([[0.0, 1.0, 0.1], [1.0, 1.0, 0.0]]))
        0.3333333333333333
    """
    if not len(first) or not len(second):
        return 0.0
    cosines = np.abs(_unit(first) @ _unit(second).T)
    rows, columns = linear_sum_assignment(-cosines)
    return float((cosines[rows, columns] > at_least).sum() / len(first))


def stability(
    fit: Callable[[Array, int], Code], features: Array, generator: np.random.Generator, times: int = 4
) -> dict[str, float]:
    """Share of the directions found again on other texts, in [0, 1], averaged over `times` resamples.

    Args:
        fit: fits a code to features (m, d) with a seed.
        features: (n, d).
        generator: random generator of the resamples and seeds.
        times: number of resamples.

    Returns:
        `bootstrap`: texts drawn with replacement against all texts; `halves`: one half against the other; `seeds`: all
        texts with another seed.
    """
    whole = fit(features, int(generator.integers(2**31))).atoms
    n, found = len(features), np.zeros((times, 3))
    for t in range(times):
        seeds = generator.integers(2**31, size=4).tolist()
        order = generator.permutation(n)
        rows = (order[: n // 2], order[n // 2 :], generator.integers(n, size=n), np.arange(n))
        first, second, drawn, again = (fit(features[np.sort(own)], s).atoms for own, s in zip(rows, seeds, strict=True))
        found[t] = matched_share(whole, drawn), matched_share(first, second), matched_share(whole, again)
    return dict(zip(("bootstrap", "halves", "seeds"), found.mean(0).tolist(), strict=True))


def coherence(features: Array) -> float | None:
    """Mean pairwise cosine of the rows (n, d), the centred features of an encoder; None with fewer than two rows.

    Example:
        >>> coherence(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
        0.3333333333333333
    """
    n = len(features)
    if n < 2:
        return None
    return float(np.square(_unit(features).sum(0)).sum() - (np.linalg.norm(_unit(features), axis=1) ** 2).sum()) / (
        n * (n - 1)
    )


@dataclass(frozen=True)
class End:
    """One end of a direction.

    Attributes:
        sign: 1 for positive codes, -1 for negative ones.
        rows: texts with the largest codes of this sign, largest first.
        coherence: mean cosine of these texts in the encoder before fine-tuning; None with fewer than two.
        named: whether it may be named by words.
    """

    sign: int
    rows: tuple[int, ...]
    coherence: float | None
    named: bool


def end_rows(codes: Array, top: int = TOP) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Texts at the positive and the negative end of k directions: up to `top` rows each, farthest first.

    Args:
        codes: (n, k).
        top: see `TOP`.
    """
    return [(_farthest(codes[:, j], 1, top), _farthest(codes[:, j], -1, top)) for j in range(codes.shape[1])]


def direction_ends(codes: Array, untuned: Array, centre: Array | None = None, top: int = TOP) -> list[tuple[End, End]]:
    """Both ends of k directions, the positive one first.

    Args:
        codes: (n, k) of texts to which neither the encoder nor the directions were fitted.
        untuned: (n, e) features of the same texts in the encoder before fine-tuning; in the fine-tuned one all texts
            of a class are coherent. Only the rows of `end_rows` are read.
        centre: (e,) mean of the features of many texts; None: that of `untuned`.
        top: see `TOP`.
    """
    if centre is None:
        centre = untuned.mean(0) if len(untuned) else np.zeros(untuned.shape[1])
    signs = (1, -1)
    found = []
    for rows in end_rows(codes, top):
        plus, minus = (_end(own, sign, untuned - centre, top) for own, sign in zip(rows, signs, strict=True))
        found.append((plus, minus))
    return found


def best_coherence(ends: Sequence[tuple[End, End]]) -> tuple[float | None, float]:
    """Mean coherence of the better end of each direction, and the share of directions with an end that may be named."""
    best = [max((e.coherence for e in both if e.coherence is not None), default=None) for both in ends]
    known = [value for value in best if value is not None]
    named = sum(any(end.named for end in both) for both in ends)
    return (float(np.mean(known)) if known else None), named / max(1, len(ends))


def _farthest(codes: Array, sign: int, top: int) -> NDArray[np.int64]:
    order = np.argsort(-sign * codes, kind="stable")[:top]
    return order[sign * codes[order] > 0]


def _end(rows: NDArray[np.int64], sign: int, untuned: Array, top: int) -> End:
    found = coherence(untuned[rows])
    # A pair of texts may be coherent by chance: an end with fewer texts than `top` is not named.
    named = found is not None and len(rows) == top and found >= NAMED
    return End(sign, tuple(rows.tolist()), found, named)


def _unit(rows: Array) -> Array:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = rows / np.where(norms > 0, norms, 1.0)
    return unit
