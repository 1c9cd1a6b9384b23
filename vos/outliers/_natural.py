"""The distribution of the radius when only linear values are prescribed.

In the whitened coordinates of a class let the direction be uniform and `r` have some density. Given K linear values,
whose nearest solution has the length `e`, the density of `r` is the original one times `(1 - e²/r²)^((d-K-2)/2) / r^K`.
For the chi distribution of a Gaussian this gives `r² = e² + χ²_{d-K}`, which needs no weights.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.calibration import Array, HeldOutLaw, chi_square_radius
from vos.outliers._radial import uniform

CELLS = 400
"""Cells into which the feasible part of the distribution is cut; they get finer towards the largest radii."""

TRUSTED = 0.999
"""The distribution is used up to this quantile, or up to the largest held-out text if that is farther. Otherwise the
weights, which grow by powers of ten, would put every draw far out in a tail without any observed text."""

FEASIBLE = 0.01
"""If a smaller share of texts lies far enough out to have the values, the calibrated distribution is not used."""

_ROWS = 4096


def natural_radii(
    density: GaussianDensity, labels: Tensor, nearest: Tensor, n_values: int, generator: torch.Generator
) -> Tensor | None:
    """Radii of draws with K prescribed linear values, under the calibrated distribution of their classes.

    If almost no text is as far out as the nearest point with these values, the radii are those of a Gaussian with the
    calibrated median: `r² = e² + c χ²_{d-K}`.

    Args:
        density: fitted.
        labels: (m,) int64.
        nearest: (m,) float64, the Mahalanobis distance `e` of the nearest point that has the values.
        n_values: K.
        generator: the only source of randomness.

    Returns:
        (m,) float64, or None if the density is not calibrated (the chi distribution holds) or no direction is free.
    """
    free = density.n_features - n_values
    if not density.is_calibrated or free < 1:
        density.say_if_uncalibrated()
        return None
    scale = float(density.training_scale)
    u = uniform((2, len(labels)), generator, torch.device("cpu")).numpy()
    smallest, owners = (nearest.square().cpu().numpy() / scale, labels.cpu().numpy())
    squared = np.empty(len(owners))
    for c in np.unique(owners).tolist():
        at = (owners == c).nonzero()[0]
        for start in range(0, len(at), _ROWS):
            part = at[start : start + _ROWS]
            squared[part] = weighted_radii(density.law_of(c), smallest[part], n_values, u[:, part])
    return torch.from_numpy(squared * scale).to(nearest.device).sqrt()


def weighted_radii(law: HeldOutLaw, smallest: Array, n_values: int, u: Array) -> Array:
    """Draw squared radii (m,) given K prescribed values, which need at least the squared radii `smallest` (m,).

    Args:
        law: distribution of the squared radius.
        smallest: `e²`, float64.
        n_values: K, below d.
        u: (2, m) float64 uniforms in [0, 1), for the cell and the position within it.
    """
    last = min(1.0 - TRUSTED, 1.0 - law.largest_measured)  # the share beyond which the distribution is not used
    first = law.share_beyond(smallest)
    found = np.empty(len(smallest))
    far = first < max(FEASIBLE, last)
    middle = float(law.squared_radius(np.array([0.5]))[0] / chi_square_radius(law.d, np.array([0.5]))[0])
    found[far] = smallest[far] + middle * chi_square_radius(law.d - n_values, 1.0 - u[1, far])
    near = (~far).nonzero()[0]
    if len(near) == 0:
        return found
    share = np.linspace(1.0, 0.0, CELLS + 1) ** 2  # feasible probability beyond each edge of a cell
    beyond = last + (first[near, None] - last) * share
    edges = np.maximum(law.squared_radius(beyond.ravel()).reshape(beyond.shape), smallest[near, None])
    squared = 0.5 * (edges[:, 1:] + edges[:, :-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        log = 0.5 * (law.d - n_values - 2) * np.log1p(-smallest[near, None] / squared)
        log += np.log(share[:-1] - share[1:]) - 0.5 * n_values * np.log(squared)
    log[~np.isfinite(log)] = -np.inf  # a cell of zero width at the nearest point itself
    weights = np.exp(log - np.maximum(log.max(1, keepdims=True), -1e300))
    total = weights.cumsum(1)
    cell = np.minimum((total <= u[0, near, None] * total[:, -1:]).sum(1), CELLS - 1)
    rows = np.arange(len(near))
    low, high = beyond[rows, cell + 1], beyond[rows, cell]
    drawn = law.squared_radius(low + (high - low) * (1.0 - u[1, near]))
    found[near] = np.maximum(drawn, smallest[near])
    return found
