"""Directions in feature space, and the margin split exactly into their parts.

A few independent components (FastICA, Hyvärinen and Oja 2000) are fitted to the features, stretched along the boundary
normals so that the decisive part is not left in the residual. They are stable on new texts; sparse dictionaries are not
(see `dictionaries`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning

from vos.errors import ConfigError
from vos.interpret.linear_margin import Array, LinearMargin


@dataclass(frozen=True)
class Stretch:
    """`a' = (I + (s - 1) Q Qᵀ) a`: scales differences along the boundary normals by s.

    Attributes:
        basis: (d, q) Q, orthonormal; with two classes the single direction `w / |w|`.
        factor: s >= 1.
    """

    basis: Array
    factor: float

    @classmethod
    def along(cls, normals: Array, factor: float) -> Stretch:
        """Stretch along normals (p, d); zero and linearly dependent ones are ignored."""
        if not factor >= 1:
            raise ConfigError(f"stretch: expected a factor of at least 1, got {factor}")
        values, vectors = np.linalg.svd(normals, full_matrices=False)[1:]
        return cls(vectors[values > 1e-9 * max(values.max(initial=0.0), 1e-300)].T, factor)

    def apply(self, rows: Array) -> Array:
        """Stretch rows (n, d)."""
        stretched: Array = rows + (self.factor - 1.0) * (rows @ self.basis) @ self.basis.T
        return stretched

    def undo(self, rows: Array) -> Array:
        """Undo the stretch of rows (n, d)."""
        shrunk: Array = rows + (1.0 / self.factor - 1.0) * (rows @ self.basis) @ self.basis.T
        return shrunk


class Code(Protocol):
    """Directions and the code of each text: `z ≈ centre + codes @ atoms`."""

    @property
    def centre(self) -> Array:
        """(d,)."""

    @property
    def atoms(self) -> Array:
        """(k, d) directions."""

    def encode(self, features: Array) -> Array:
        """Codes (n, k) of features (n, d)."""


@dataclass(frozen=True)
class LinearCode:
    """Codes that are linear in the features: `c = (z - centre) @ readers.T`.

    Attributes:
        centre: (d,).
        atoms: (k, d).
        readers: (k, d).
    """

    centre: Array
    atoms: Array
    readers: Array

    def encode(self, features: Array) -> Array:
        """Codes (n, k) of features (n, d)."""
        codes: Array = (features - self.centre) @ self.readers.T
        return codes


@dataclass(frozen=True)
class ComponentSettings:
    """Independent components.

    Attributes:
        n: number of components; fewer if the texts span fewer directions.
        stretch: see `Stretch`. 2 preserves the decision of texts near the boundary; with much larger values the
            components only copy the normal.
        max_iterations: largest number of iterations of FastICA.
    """

    n: int = 8
    stretch: float = 2.0
    max_iterations: int = 400

    def __post_init__(self) -> None:
        if self.n < 1 or self.stretch < 1 or self.max_iterations < 1:
            raise ConfigError(f"directions: expected n, stretch and max_iterations >= 1, got {self}")


def independent_components(
    features: Array, normals: Array, seed: int, settings: ComponentSettings | None = None
) -> LinearCode:
    """Independent components of features (n, d), with codes of variance 1.

    Args:
        features: (n, d), n >= 1.
        normals: (p, d) normals of the boundary.
        seed: seed of FastICA's initialisation.
        settings: see `ComponentSettings`.

    Returns:
        Components whose positive codes push towards harm; none if the texts do not differ. If FastICA does not
        converge, its last iterate is returned: stability is measured, not assumed.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> sources = draw.uniform(-1, 1, (500, 2))
        >>> code = independent_components(sources @ [[2.0, 1.0], [0.5, 1.0]], np.array([[1.0, 0.0]]), 0)
        >>> np.abs(np.corrcoef(code.encode(sources @ [[2.0, 1.0], [0.5, 1.0]]).T, sources.T)[:2, 2:]).max(1).round(1)
        array([1., 1.])
    """
    settings = settings or ComponentSettings()
    centre, stretch = features.mean(0), Stretch.along(normals, settings.stretch)
    rows = stretch.apply(features - centre)
    whole, values, basis = np.linalg.svd(rows, full_matrices=False)
    rank = int((values > 1e-7 * max(values.max(initial=0.0), 1e-300)).sum())
    k = min(settings.n, rank)
    if k == 0 or np.abs(rows).max() == 0:
        empty = np.zeros((0, features.shape[1]))
        return LinearCode(centre, empty, empty)
    # Whitened here, on the directions with variance: FastICA's own whitening may divide by a zero variance.
    white = whole[:, :k] * np.sqrt(len(rows))
    ica = FastICA(whiten=False, random_state=seed % 2**32, max_iter=settings.max_iterations, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica.fit(white)
    rotation = ica.components_
    scale = values[:k] / np.sqrt(len(rows))
    readers = stretch.apply((rotation / scale) @ basis[:k])
    atoms = stretch.undo((rotation * scale) @ basis[:k])
    # The sign of a component is arbitrary.
    sign = np.where(atoms @ normals[0] < 0, -1.0, 1.0)[:, None]
    return LinearCode(centre, atoms * sign, readers * sign)


@dataclass(frozen=True)
class Decomposition:
    """`m(x) = constant(x) + Σ_j parts_j(x) + residual(x)`, exactly.

    Attributes:
        codes: (n, k) codes of the texts.
        parts: (n, k) contribution of each direction to the margin, logit units.
        residual: (n,) the part of the margin not explained by the directions.
        constant: (n,) margin of the centre of the texts; with two classes the same for all.
        margins: (n,).
    """

    codes: Array
    parts: Array
    residual: Array
    constant: Array
    margins: Array

    @property
    def explained(self) -> Array:
        """(n,) the margin without the residual."""
        total: Array = self.constant + self.parts.sum(1)
        return total


def decompose(margin: LinearMargin, code: Code) -> Decomposition:
    """Split the margin of n texts into the parts of k directions.

    The residual is computed from the residual of the features, not as a difference of margins, so that the sum is a
    testable identity.
    """
    codes = code.encode(margin.features)
    parts = codes * margin.weights(code.atoms)
    residual = margin.along(margin.features - code.centre - codes @ code.atoms)
    constant = (margin.normals @ code.centre + margin.offsets)[margin.pair]
    return Decomposition(codes, parts, residual, constant, margin.margins)


def deciding_share(split: Decomposition, near: NDArray[np.bool_]) -> Array:
    """For each direction, the share of the texts of a mask (n,) whose side changes when its part is removed: (k,)."""
    margins = split.margins[near][:, None]
    if not len(margins):
        return np.zeros(split.parts.shape[1])
    shares: Array = (np.signbit(margins - split.parts[near]) != np.signbit(margins)).mean(0)
    return shares


def margin_shares(split: Decomposition) -> Array:
    """Mean |part| of each direction, as a share of the total over all parts and the residual: (k,)."""
    sizes = np.abs(split.parts).mean(0) if len(split.parts) else np.zeros(split.parts.shape[1])
    total = sizes.sum() + (np.abs(split.residual).mean() if len(split.residual) else 0.0)
    shares: Array = sizes / total if total > 0 else sizes
    return shares
