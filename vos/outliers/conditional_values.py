"""Exact Gaussian draws given several linear values, with or without a radius.

In whitened coordinates the K constraints `w_k·h + b_k = v_k` are `A z = δ`. With `Aᵀ = QR` the nearest solution is
`Q y`, `y = R⁻ᵀ δ`; a standard normal, given the constraints, is that plus a standard normal orthogonal to Q; given its
radius `r` too, the second part is uniform on a sphere of radius `√(r² - ‖y‖²)`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import InfeasibleError, NotFittedError
from vos.outliers._natural import natural_radii
from vos.outliers._radial import normal
from vos.outliers.conditional_margin import on_sphere, refuse_infeasible

RANK_TOLERANCE = 1e-10
"""Constraints whose normals are this close to dependent, relative to the longest, are refused."""


def draw_at_values(
    mean: Tensor,
    cholesky: Tensor,
    normals: Tensor,
    offsets: Tensor,
    values: Tensor,
    radii: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """Draw `h ~ N(mean, LLᵀ)` given K linear values `w_k·h + b_k = v_k` and, if radii are given, the radius.

    Args:
        mean: (d,) float64.
        cholesky: `L`, (d, d) float64.
        normals: `w`, (K, d) float64, linearly independent, K <= d.
        offsets: `b`, (K,) float64.
        values: `v`, (m, K) float64.
        radii: (m,) float64, or None for their distribution given the values, `r² = ‖A⁺δ‖² + ρ²`, `ρ² ~ χ²_{d-K}`.
        generator: the only source of randomness.

    Returns:
        (m, d) float64.

    Raises:
        InfeasibleError: dependent normals, or a radius below `‖A⁺δ‖` (or, for K = d, any other radius).
    """
    basis, r = row_basis(normals @ cholesky)
    y = nearest_at_values(r, values - (normals @ mean + offsets))
    refuse_infeasible(y.norm(dim=-1), radii, values[:, 0], len(normals), len(mean), None)
    return mean + whitened_at_values(basis, y, radii, generator) @ cholesky.mT


def draw_at_class_values(
    density: GaussianDensity,
    labels: Tensor,
    normals: Tensor,
    offsets: Tensor,
    values: Tensor,
    radii: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """`draw_at_values` for the classes of any density, whatever the form of its covariance.

    Args:
        density: fitted.
        labels: (m,) int64, the class of each draw.
        normals: `w`, (K, d) floats, linearly independent, K <= d.
        offsets: `b`, (K,) floats.
        values: `v`, (m, K) floats.
        radii: Mahalanobis radii (m,) floats, or None for their distribution given the values: that of held-out texts,
            if the density is calibrated.
        generator: the only source of randomness, used class by class in ascending order.

    Returns:
        (m, d) float64.

    Raises:
        InfeasibleError: see `draw_at_values`; names the lowest such class.
        NotFittedError: a class is not ready.

    Example:
        >>> from vos.density import LowRankGaussian
        >>> generator = torch.Generator().manual_seed(0)
        >>> labels = torch.tensor([0, 1]).repeat(20)
        >>> density = LowRankGaussian(2, 3, rank=1).fit(torch.randn(40, 3, generator=generator), labels)
        >>> normals, values = torch.eye(3)[:2], torch.tensor([[1.0, -1.0], [0.5, 2.0]])
        >>> h = draw_at_class_values(density, labels[:2], normals, torch.zeros(2), values, None, generator)
        >>> h[:, :2].round(decimals=6)
        tensor([[ 1.0000, -1.0000],
                [ 0.5000,  2.0000]], dtype=torch.float64)
    """
    return density.color(whitened_at_class_values(density, labels, normals, offsets, values, radii, generator), labels)


def whitened_at_class_values(
    density: GaussianDensity,
    labels: Tensor,
    normals: Tensor,
    offsets: Tensor,
    values: Tensor,
    radii: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """The draws of `draw_at_class_values` in the whitened coordinates of their classes: (m, d) float64."""
    if not density.ready[labels].all():
        raise NotFittedError(f"expected classes that are ready, got {int(labels[~density.ready[labels]][0])}")
    normals, offsets, values = (t.to(density.means) for t in (normals, offsets, values))
    z = density.means.new_empty(len(labels), density.n_features)
    bases = class_bases(density, normals)
    for c in torch.unique(labels).tolist():
        at = labels == c
        basis, r = bases(c)
        y = nearest_at_values(r, values[at] - normals @ density.means[c] - offsets)
        if radii is None:
            asked = natural_radii(density, labels[at], y.norm(dim=-1), len(normals), generator)
        else:
            asked = radii.to(density.means)[at]
            smallest, d = y.norm(dim=-1), density.n_features
            refuse_infeasible(smallest, asked, values[at, 0], len(normals), d, labels[at], density)
        z[at] = whitened_at_values(basis, y, asked, generator)
    return z


def class_bases(density: GaussianDensity, normals: Tensor) -> Callable[[int], tuple[Tensor, Tensor]]:
    """`row_basis` of the normals (K, d) in the coordinates of a class; computed once if the classes share them.

    Raises:
        InfeasibleError: the normals are linearly dependent.
    """
    if density.tied:
        shared = row_basis(density.pull_back(normals, 0))
        return lambda label: shared  # noqa: ARG005
    return lambda label: row_basis(density.pull_back(normals, label))


def row_basis(a: Tensor) -> tuple[Tensor, Tensor]:
    """`Aᵀ = Q R` with `Q` (d, K) orthonormal and `R` (K, K) upper triangular.

    Raises:
        InfeasibleError: the rows of A (K, d) are linearly dependent, for example because K > d.
    """
    k, d = a.shape
    basis, r = torch.linalg.qr(a.mT)
    if k > d or not (r.diagonal().abs() > RANK_TOLERANCE * a.norm(dim=-1).amax()).all():
        raise InfeasibleError(
            f"expected linearly independent constraints (of a head: its rows), got {k} in {d} features that are not: "
            "their values cannot be chosen freely. Leave out those that follow from the others; of logits, prescribe "
            "the differences alone (relative)"
        )
    return basis, r


def nearest_at_values(r: Tensor, delta: Tensor) -> Tensor:
    """The nearest solution `A⁺δ = Q y` of `A z = δ`: `y` (m, K) of `R` (K, K), see `row_basis`, and delta (m, K).

    The norms of its rows are the smallest feasible radii.
    """
    y: Tensor = torch.linalg.solve_triangular(r.mT, delta.mT, upper=False)
    return y.mT


def whitened_at_values(basis: Tensor, y: Tensor, radii: Tensor | None, generator: torch.Generator) -> Tensor:
    """Draw `z ~ N(0, I)` given `Qᵀz = y`, and given `‖z‖ = r` if radii are given.

    Args:
        basis: `Q`, (d, K) float64 with orthonormal columns.
        y: (m, K) float64.
        radii: (m,) float64, each at least `‖y‖`, or None.
        generator: the only source of randomness.

    Returns:
        (m, d) float64.
    """
    g = normal((len(y), len(basis)), generator, basis.device)
    for _ in range(2):  # as in `whitened_at_margin`
        g = g - (g @ basis) @ basis.mT
    n_features, n_values = basis.shape
    # If no direction is free, the values determine the radius; the given one would only add rounding error.
    return y @ basis.mT + on_sphere(g, y.square().sum(-1), radii if n_values < n_features else None)
