"""Tokens that feed-forward units promote, by their input embeddings, and whether the units respond to the same tokens.

A unit's output vector is compared with the input embedding of every token of the corpus. The two spaces need not
agree, so a unit counts only if the tokens that it promotes overlap with those that activate it more than with the
tokens that activate other units.

Source: Geva et al., "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space",
EMNLP 2022; the gate is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vos.errors import ModelError
from vos.interpret.importance import TokenActivations
from vos.interpret.units import UnitReader

TOKENS = 10
"""Number of tokens that a unit promotes, and of tokens that activate it."""

LEVEL = 0.01
"""p-value below which a layer or a unit passes."""


@dataclass(frozen=True)
class LayerVocabulary:
    """The units of one layer.

    Attributes:
        units: (k,) indices of the tested units.
        writes: (u, 10) int64, ids of the tokens that each unit of the layer promotes, nearest first.
        fires: (u, 10) int64, ids of the tokens that activate it most.
        overlap: (u,) int64, number of tokens in both.
        unit_p: (u,) share of the units whose activating tokens overlap as much with the promoted ones.
        p: permutation p-value of the mean overlap of the tested units.
        chance: expected overlap of two random sets of tokens.
    """

    units: NDArray[np.int64]
    writes: NDArray[np.int64]
    fires: NDArray[np.int64]
    overlap: NDArray[np.int64]
    unit_p: NDArray[np.float64]
    p: float
    chance: float

    @property
    def passed(self) -> bool:
        """Whether the layer may be shown."""
        return self.p < LEVEL

    @property
    def shown(self) -> list[int]:
        """Tested units that pass, in a layer that passes; most significant first."""
        order = self.units[np.argsort(self.unit_p[self.units], kind="stable")]
        return [int(unit) for unit in order if self.passed and self.unit_p[unit] < LEVEL]

    @property
    def means(self) -> tuple[float, float]:
        """Mean overlap of the tested units, and of the others; NaN if there are none."""
        others = np.setdiff1d(np.arange(len(self.overlap)), self.units)
        asked, rest = self.overlap[self.units], self.overlap[others]
        return float(asked.mean()) if len(asked) else np.nan, float(rest.mean()) if len(rest) else np.nan


def layer_vocabulary(
    reader: UnitReader,
    tokens: TokenActivations,
    layer: int,
    units: Sequence[int] | NDArray[np.int64],
    rng: np.random.Generator,
    n_permutations: int = 999,
) -> LayerVocabulary:
    """Tokens that the units of a layer promote, and the two checks.

    Args:
        reader: unit reader of the classifier.
        tokens: tokens of the corpus, with the mean activation of each unit.
        layer: index of the layer.
        units: indices of the tested units, usually those important for the margin.
        rng: random generator of the permutations.
        n_permutations: number of permutations for the test of the layer; the smallest p is 1 / (n + 1).

    Raises:
        ModelError: the embeddings and the features of a block have different sizes, or there are fewer than 20 tokens.
    """
    ids = tokens.ids
    embeddings, vectors = reader.input_embeddings(), reader.output_vectors(layer)
    if embeddings.shape[1] != vectors.shape[1]:
        raise ModelError(
            f"vocabulary: expected input embeddings of the size of a block's features, {vectors.shape[1]}, found "
            f"{embeddings.shape[1]}: what units write cannot be compared with them"
        )
    if len(ids) < 2 * TOKENS:
        raise ModelError(f"vocabulary: expected {2 * TOKENS} frequent tokens or more, found {len(ids)}; add texts")
    near = cosines(vectors, embeddings[ids] - embeddings[ids].mean(0))
    writes, fires = largest(near, TOKENS), largest(tokens.means[layer], TOKENS)
    shared = _memberships(writes, len(ids)) @ _memberships(fires, len(ids)).T  # (u, u): unit i writes, unit j fires
    overlap = np.diagonal(shared).astype(np.int64)
    at_least = (shared >= overlap[:, None]).sum(1)  # including the unit itself
    chosen = np.asarray(units, dtype=np.int64)
    p = pairing_p(shared[np.ix_(chosen, chosen)], rng, n_permutations)
    return LayerVocabulary(
        chosen, ids[writes], ids[fires], overlap, at_least / len(overlap), p, TOKENS * TOKENS / len(ids)
    )


def pairing_p(shared: NDArray[np.float32], rng: np.random.Generator, n_permutations: int) -> float:
    """Permutation p-value of the mean of the diagonal of a matrix (k, k), under random pairings of rows and columns.

    (r + 1) / (n + 1) for n permutations, so that it is never 0; 1 if k is 0.
    """
    k = len(shared)
    if not k:
        return 1.0
    own = float(np.diagonal(shared).mean())
    rows = np.arange(k)
    found = sum(float(shared[rows, rng.permutation(k)].mean()) >= own for _ in range(n_permutations))
    return (found + 1) / (n_permutations + 1)


def cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of every row of a (n, d) with every row of b (m, d): (n, m); 0 for a row of zeros."""
    sizes = [np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (a, b)]
    found: NDArray[np.float64] = (a / sizes[0]) @ (b / sizes[1]).T
    return found


def largest(values: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Indices of the k largest values of each row, largest first; ties by index: (n, k)."""
    return np.argsort(-values, axis=1, kind="stable")[:, :k].astype(np.int64)


def _memberships(places: NDArray[np.int64], n: int) -> NDArray[np.float32]:
    found = np.zeros((len(places), n), dtype=np.float32)
    np.put_along_axis(found, places, 1.0, axis=1)
    return found
