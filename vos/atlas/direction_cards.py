"""What the page shows for each direction, and the results of other kinds of directions in the same test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.untuned import untuned_features
from vos.atlas.world import AtlasWorld
from vos.interpret.dictionaries import principal_components, random_directions, random_texts, single_units
from vos.interpret.direction_quality import (
    TOP,
    End,
    Fidelity,
    best_coherence,
    direction_ends,
    end_rows,
    fidelity,
    variance_along,
)
from vos.interpret.directions import (
    Code,
    ComponentSettings,
    Decomposition,
    LinearCode,
    deciding_share,
    decompose,
    independent_components,
    margin_shares,
)
from vos.interpret.linear_margin import LinearMargin
from vos.interpret.terms import TermMatrix, distinctive_terms, term_matrix

FITTED = 0.7
"""Share of the texts to which directions are fitted; they are evaluated on the others."""

WORDS_OF = 3 * TOP
"""Number of texts at an end from which its words are taken."""

OWN = "independent components"


@dataclass(frozen=True)
class FittedDirections:
    """The fitted directions of an atlas, and the rows held out from fitting.

    Attributes:
        margin: of all n texts.
        code: the directions.
        fitted: rows to which they were fitted.
        held: all others.
        near: (held,) which of the held-out texts are near the boundary.
    """

    margin: LinearMargin
    code: LinearCode
    fitted: NDArray[np.int64]
    held: NDArray[np.int64]
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, world: AtlasWorld, rule: ComponentSettings) -> FittedDirections:
        """Independent components of 70 % of the texts."""
        n = len(world.texts)
        order = world.rng("directions").permutation(n)
        fitted, held = np.sort(order[: int(FITTED * n)]), np.sort(order[int(FITTED * n) :])
        margins = LinearMargin.of(world.features, world.head, world.harmful)
        seed = int(world.rng("directions seed").integers(2**31))
        code = independent_components(margins.features[fitted], margins.normals, seed, rule)
        return cls(margins, code, fitted, held, world.texts.near[held])

    def fidelity(self, code: Code | None = None) -> Fidelity:
        """Fidelity of these directions, or of others, on the held-out texts."""
        code, held = code or self.code, self.margin.at(self.held)
        return fidelity(decompose(held, code), held, code, self.near)

    @property
    def along(self) -> float | None:
        """Share of the variance along the boundary normal of the class pair that decides the most texts."""
        return variance_along(self.margin.features, self.margin.normals[0])


@dataclass(frozen=True)
class Comparison:
    """Directions of several kinds on the same held-out texts.

    Attributes:
        table: by kind: `near`, `r2` and `unexplained`, see `Fidelity`; for kinds with equally many directions
            also `coherence` of the better ends and `named`, the share of directions with an end that may be named.
        ends: of these directions; rows are indices into the held-out texts.
    """

    table: Mapping[str, Mapping[str, float | None]]
    ends: list[tuple[End, End]]


def compare(world: AtlasWorld, own: FittedDirections) -> Comparison:
    """Compare these directions with principal components, single units and random directions on held-out texts."""
    rows, normals, k = own.margin.features[own.fitted], own.margin.normals, len(own.code.atoms)
    codes: dict[str, Code] = {
        OWN: own.code,
        "principal components": principal_components(rows, k),
        "single units": single_units(rows, normals[0], k),
        "random directions": random_directions(rows, k, world.rng("directions random")),
        "random texts as atoms": random_texts(rows, normals, rows.shape[1], world.rng("directions texts")),
    }
    table: dict[str, dict[str, float | None]] = {}
    for name, code in codes.items():
        kept = own.fidelity(code)
        table[name] = {"near": kept.same_decision, "r2": kept.r_squared, "unexplained": kept.unexplained}
    # Choosing some of many atoms would be a further choice: ends are read only for kinds with equally many directions.
    held = own.margin.features[own.held]
    encoded = {name: code.encode(held) for name, code in codes.items() if len(code.atoms) == k}
    wanted = [end for found in encoded.values() for both in end_rows(found) for end in both]
    texts = [world.texts.text[i] for i in own.held]
    known = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *wanted]))
    untuned = untuned_features(texts, known, world.rng("directions untuned"))
    vectors, centre = untuned if untuned is not None else (np.full((len(texts), 1), np.nan), np.zeros(1))
    ends = {name: direction_ends(found, vectors, centre) for name, found in encoded.items()}
    if untuned is not None:
        for name, its in ends.items():
            table[name]["coherence"], table[name]["named"] = best_coherence(its)
    return Comparison(table, ends[OWN])


def cards(world: AtlasWorld, own: FittedDirections, split: Decomposition, ends: list[tuple[End, End]]) -> list[Any]:
    """What the page shows for each direction; texts are rows of the atlas, only ends that may be named have words."""
    shares, decides = margin_shares(split), deciding_share(split, world.texts.near)
    betas = own.margin.normals @ own.code.atoms.T
    names = [end_names(world.classes, world.harmful, own.margin.pairs, column) for column in betas.T]
    matrix = term_matrix(world.texts.text)
    return [
        {
            "id": j,
            "beta": float(betas[0, j]),
            "share": float(shares[j]),
            "decides_near": float(decides[j]),
            "ends": [
                {
                    "sign": end.sign,
                    "towards": towards,
                    "coherence": end.coherence,
                    "named": end.named,
                    "words": _words(matrix, split.codes[:, j] * end.sign) if end.named else [],
                    "texts": own.held[list(end.rows)],
                }
                for end, towards in zip(both, names[j], strict=True)
            ],
        }
        for j, both in enumerate(ends)
    ]


def end_names(
    classes: Sequence[str], harmful: Sequence[int], pairs: NDArray[np.int64], betas: NDArray[np.float64]
) -> tuple[str | None, str | None]:
    """What the positive and the negative end of a direction push towards: "harmful", "harmless", or a class.

    Args:
        classes: names of the classes.
        harmful: the harmful ones; where there are none, an end may have the name of a class.
        pairs: (p, 2) deciding pairs of classes, see `LinearMargin`.
        betas: (p,) weight of the direction along the normal of each pair.

    Returns:
        None for an end that pushes towards different sides, depending on the pair.

    Example:
        >>> pairs = np.array([[1, 0], [2, 0]])
        >>> end_names(("fine", "rude", "vile"), (1, 2), pairs, np.array([0.5, 0.1]))
        ('harmful', 'harmless')
        >>> end_names(("fine", "rude", "vile"), (1, 2), pairs, np.array([0.5, -0.1]))
        (None, None)
        >>> end_names(("fine", "rude", "vile"), (), pairs, np.array([0.5, 0.1]))
        (None, 'fine')
    """
    if not len(betas) or np.any(betas == 0):
        return None, None
    found: list[str | None] = []
    for towards in (np.where(betas > 0, pairs[:, 0], pairs[:, 1]), np.where(betas > 0, pairs[:, 1], pairs[:, 0])):
        names = {classes[c] if not harmful else "harmful" if c in harmful else "harmless" for c in towards.tolist()}
        found.append(names.pop() if len(names) == 1 else None)
    return found[0], found[1]


def _words(matrix: TermMatrix, towards: NDArray[np.float64]) -> list[str]:
    """Words of those texts of the atlas that are farthest towards an end."""
    rows = np.zeros(len(towards), dtype=bool)
    rows[np.argsort(-towards, kind="stable")[:WORDS_OF]] = True
    return distinctive_terms(matrix, rows, n=6)
