"""Sparse dictionaries, and baseline directions for comparison with independent components."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning

from vos.errors import ConfigError, ShapeError
from vos.interpret.directions import LinearCode, Stretch
from vos.interpret.linear_margin import Array

BLOCK = 512
"""Number of rows coded at once; bounds the memory."""


def matching_pursuit(rows: Array, atoms: Array, n_nonzero: int) -> Array:
    """Codes (n, k) with at most `n_nonzero` atoms per row, by orthogonal matching pursuit.

    In each step a row adds the atom with the largest correlation with its residual, and all its coefficients are
    refitted (Pati, Rezaiifar and Krishnaprasad 1993). It stops early if the residual is zero. Many rows are solved at
    once with one Gram matrix; scikit-learn's `orthogonal_mp_gram` copies that matrix for every row.

    Args:
        rows: (n, d).
        atoms: (k, d), each of norm 1.
        n_nonzero: at least 1.

    Raises:
        ShapeError: rows and atoms have different widths.
        ConfigError: `n_nonzero` below 1.

    Example:
        >>> matching_pursuit(np.array([[3.0, 1.0, -2.0]]), np.eye(3), 2)
        array([[ 3.,  0., -2.]])
    """
    if rows.ndim != 2 or atoms.ndim != 2 or rows.shape[1] != atoms.shape[1]:
        raise ShapeError(f"expected rows (n, d) and atoms (k, d), got {rows.shape} and {atoms.shape}")
    if n_nonzero < 1:
        raise ConfigError(f"n_nonzero: expected 1 or more, got {n_nonzero}")
    gram, codes = atoms @ atoms.T, np.zeros((len(rows), len(atoms)))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        codes[part] = _pursued(rows[part] @ atoms.T, gram, min(n_nonzero, *atoms.shape))
    return codes


def _pursued(products: Array, gram: Array, steps: int) -> Array:
    """Codes (b, k) of rows from their products with the atoms (b, k)."""
    codes, left = np.zeros(products.shape), products
    rows, chosen = np.arange(len(products)), np.zeros((len(products), 0), dtype=np.int64)
    floor = 1e-10 * np.abs(products).max(1, initial=0.0)
    for _ in range(steps):
        size = np.abs(left)
        np.put_along_axis(size, chosen, -1.0, 1)
        best = size.argmax(1)
        going = size[np.arange(len(size)), best] > floor
        rows, products, floor = rows[going], products[going], floor[going]
        if not len(rows):
            break
        chosen = np.column_stack([chosen[going], best[going]])
        grams = gram[chosen[:, :, None], chosen[:, None, :]]
        solved = np.linalg.solve(grams, np.take_along_axis(products, chosen, 1)[:, :, None])[:, :, 0]
        codes[rows[:, None], chosen] = solved
        left = products - codes[rows] @ gram
    return codes


@dataclass(frozen=True)
class SparseCode:
    """A sparse dictionary with few atoms per text, fitted in the stretched space.

    Attributes:
        centre: (d,).
        atoms: (k, d), in the unstretched space.
        stretch: see `Stretch`.
        n_nonzero: largest number of atoms per text.
    """

    centre: Array
    atoms: Array
    stretch: Stretch
    n_nonzero: int

    def encode(self, features: Array) -> Array:
        """Codes (n, k) of features (n, d), see `matching_pursuit`."""
        stretched = self.stretch.apply(self.atoms)
        norms = np.linalg.norm(stretched, axis=1)
        codes = matching_pursuit(self.stretch.apply(features - self.centre), stretched / norms[:, None], self.n_nonzero)
        scaled: Array = codes / norms
        return scaled


@dataclass(frozen=True)
class DictionarySettings:
    """A sparse dictionary.

    Attributes:
        width: number of atoms, as a multiple of the number of features d.
        n_nonzero: largest number of atoms per text.
        stretch: see `Stretch`; 2, and 4 at most.
        alpha: L1 penalty of the codes during fitting, for rows of norm 1 on average.
        epochs: passes over the texts.
    """

    width: float = 1.0
    n_nonzero: int = 8
    stretch: float = 2.0
    alpha: float = 0.15
    epochs: int = 20

    def __post_init__(self) -> None:
        if self.width <= 0 or self.n_nonzero < 1 or self.stretch < 1 or self.alpha <= 0 or self.epochs < 1:
            raise ConfigError(
                f"dictionary: expected width and alpha above 0, n_nonzero, stretch and epochs >= 1, got {self}"
            )


def sparse_dictionary(
    features: Array, normals: Array, seed: int, settings: DictionarySettings | None = None
) -> SparseCode:
    """A dictionary of `width * d` atoms by online dictionary learning (Mairal et al. 2009).

    It preserves the decision of texts near the boundary, as any atoms fitted in the stretched space do; but other texts
    or another seed give other atoms. So it is optional, not the default.

    Args:
        features: (n, d), n >= 1.
        normals: (p, d) normals of the boundary.
        seed: seed of the initialisation and the batches.
        settings: see `DictionarySettings`.
    """
    settings = settings or DictionarySettings()
    centre, stretch = features.mean(0), Stretch.along(normals, settings.stretch)
    rows = stretch.apply(features - centre)
    scale = float(np.sqrt(np.square(rows).sum(1).mean()))
    if not scale > 0:
        return SparseCode(centre, np.zeros((0, features.shape[1])), stretch, settings.n_nonzero)
    learner = MiniBatchDictionaryLearning(
        n_components=max(1, round(settings.width * features.shape[1])),
        alpha=settings.alpha,
        max_iter=settings.epochs,
        batch_size=128,
        fit_algorithm="cd",
        max_no_improvement=None,
        tol=0.0,  # its own stopping rules stop within two passes, before the atoms have converged
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        # The codes of a batch are solved approximately, which is compensated by the steps over all batches.
        warnings.simplefilter("ignore", ConvergenceWarning)
        atoms = learner.fit(rows / scale).components_
    atoms = atoms[np.linalg.norm(atoms, axis=1) > 1e-8]
    return _oriented(SparseCode(centre, stretch.undo(atoms), stretch, settings.n_nonzero), normals)


def principal_components(features: Array, n: int) -> LinearCode:
    """The n leading principal components of features (m, d), or fewer if there are fewer."""
    centre = features.mean(0)
    _, values, basis = np.linalg.svd(features - centre, full_matrices=False)
    basis = basis[:n][values[:n] > 1e-9 * max(values.max(initial=0.0), 1e-300)]
    return LinearCode(centre, basis, basis)


def single_units(features: Array, normal: Array, n: int) -> LinearCode:
    """The n features with the largest mean |a_i w_i|, with a the centred features (m, d) and w the normal (d,)."""
    centre = features.mean(0)
    order = np.argsort(-np.abs((features - centre) * normal).mean(0), kind="stable")[:n]
    atoms = np.eye(features.shape[1])[order]
    return LinearCode(centre, atoms, atoms)


def random_directions(features: Array, n: int, generator: np.random.Generator) -> LinearCode:
    """N random orthogonal directions for features (m, d)."""
    basis = np.linalg.qr(generator.standard_normal((features.shape[1], min(n, features.shape[1])))).Q.T
    return LinearCode(features.mean(0), basis, basis)


def random_texts(
    features: Array, normals: Array, n: int, generator: np.random.Generator, n_nonzero: int = 8, stretch: float = 2.0
) -> SparseCode:
    """N random rows of the features (m, d) as the atoms of a dictionary, a baseline for a fitted one."""
    centre = features.mean(0)
    rows = features[generator.permutation(len(features))[:n]] - centre
    return SparseCode(centre, rows[np.linalg.norm(rows, axis=1) > 0], Stretch.along(normals, stretch), n_nonzero)


def _oriented(code: SparseCode, normals: Array) -> SparseCode:
    """Flip the sign of atoms so that a positive code pushes towards harm."""
    sign = np.where(code.atoms @ normals[0] < 0, -1.0, 1.0)[:, None]
    return SparseCode(code.centre, code.atoms * sign, code.stretch, code.n_nonzero)
