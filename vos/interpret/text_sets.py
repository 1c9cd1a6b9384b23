"""Pairs of text sets to compare: near the boundary and far from it, wrong and correct predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vos.errors import ShapeError
from vos.types import harmful_mask

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]

UNKNOWN = -1
"""Label of an unlabelled text."""


@dataclass(frozen=True)
class TextPair:
    """Two sets of texts.

    Attributes:
        name: short, unique among the pairs of a run.
        a: description of the first set.
        b: description of the second.
        in_a: (n,) mask of the first.
        in_b: (n,) mask of the second; the sets are disjoint.
    """

    name: str
    a: str
    b: str
    in_a: Mask
    in_b: Mask


def near_against_core(near: Mask, core: Mask, prediction: Indices, class_names: Sequence[str]) -> list[TextPair]:
    """Texts near the boundary against those far from it, within each predicted class.

    Over all classes together, the comparison would show the difference between the classes.

    Args:
        near: (n,) mask.
        core: (n,) mask, disjoint from `near`.
        prediction: (n,) int64 class indices.
        class_names: names of the C classes.
    """
    return [
        TextPair(
            f"near against core, predicted {name}",
            f"near the boundary, predicted {name}",
            f"far from the boundary, predicted {name}",
            near & (prediction == c),
            core & (prediction == c),
        )
        for c, name in enumerate(class_names)
        if (prediction == c).any()
    ]


def mistakes_against_right(
    label: Indices, prediction: Indices, n_classes: int, harmful: Sequence[int]
) -> list[TextPair]:
    """False negatives against true positives among harmful texts, false positives against true negatives among others.

    If no class is harmful, wrong against correct predictions.

    Args:
        label: (n,) int64; unlabelled texts (`UNKNOWN`) are left out.
        prediction: (n,) int64.
        n_classes: C, number of classes.
        harmful: indices of the harmful classes.
    """
    known = label != UNKNOWN
    if not harmful:
        wrong = known & (label != prediction)
        return [TextPair("mistakes against right", "mistaken", "predicted right", wrong, known & ~wrong)]
    is_harmful = harmful_mask(n_classes, harmful).numpy()
    harm, flagged = known & is_harmful[label], is_harmful[prediction]
    safe = known & ~is_harmful[label]
    return [
        TextPair("misses against hits", "harmful, missed", "harmful, found", harm & ~flagged, harm & flagged),
        TextPair(
            "false alarms against passed", "harmless, flagged", "harmless, passed", safe & flagged, safe & ~flagged
        ),
    ]


def neighbours_against_rest(neighbours: Indices, among: Mask) -> TextPair:
    """Texts that are nearest to a virtual outlier, against all others.

    Args:
        neighbours: rows, in any shape and order; -1 for none.
        among: (n,) mask of the texts to compare.
    """
    chosen = np.zeros(len(among), dtype=bool)
    chosen[neighbours[neighbours >= 0]] = True
    return TextPair(
        "outlier neighbours against the rest",
        "nearest to a virtual outlier",
        "all other texts",
        chosen & among,
        ~chosen & among,
    )


def balanced(pair: TextPair, stratum: Indices, generator: np.random.Generator) -> TextPair:
    """Subsample a pair so that the sources of its texts have the same proportions on both sides.

    If near texts come from the pool more often, a comparison of near and core would show the difference between pool
    and test texts. Texts of the second set are left out at random, and texts of the first whose source the second
    lacks; if the sides have no source in common, all texts of both.

    Args:
        pair: pair over n texts.
        stratum: (n,) int64, source of each text.
        generator: chooses the texts that are left out.
    """
    kinds = np.unique(stratum[pair.in_a | pair.in_b])
    counts = np.array([[(own & (stratum == kind)).sum() for own in (pair.in_a, pair.in_b)] for kind in kinds])
    both = kinds[(counts > 0).all(1)] if len(kinds) else kinds
    if not len(both):  # any difference would be one of sources
        return replace(pair, in_a=np.zeros_like(pair.in_a), in_b=np.zeros_like(pair.in_b))
    ratio = min(counts[i, 1] / counts[i, 0] for i, kind in enumerate(kinds) if kind in both)
    kept = np.zeros(len(stratum), dtype=bool)
    for i, kind in enumerate(kinds):
        if kind in both:
            rows = np.flatnonzero(pair.in_b & (stratum == kind))
            kept[generator.permutation(rows)[: max(1, int(ratio * counts[i, 0] + 1e-9))]] = True
    return replace(pair, in_a=pair.in_a & np.isin(stratum, both), in_b=kept)


def selections(name: str, a: Mask, b: Mask, describes: tuple[str, str]) -> TextPair:
    """A pair of any two selections; texts in both are left out of both.

    Args:
        name: name of the pair.
        a: (n,) mask of the first selection.
        b: (n,) mask of the second.
        describes: descriptions of the two.

    Raises:
        ShapeError: the selections have different lengths.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ShapeError(f"{name}: expected two masks (n,) of one length, got {a.shape} and {b.shape}")
    return TextPair(name, *describes, a & ~b, b & ~a)
