"""Covariance estimates of centred features, and their Cholesky factor.

All estimates divide by `n`, as VOS and scikit-learn do. Features centred on C class means have lost C degrees of
freedom, so the tied estimate is smaller than the true covariance by the factor (n - C) / n on average. The shrinkage is
computed from these n - C degrees of freedom, not from the n rows: `m` rows centred on their own mean carry the
information of m - 1, and with few texts per class, counting m would halve the shrinkage or worse.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vos.errors import InfeasibleError, ShapeError

JITTER_LADDER = (0.0, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Multiples of trace(cov) / d that are added to the diagonal, tried in this order."""


def empirical_covariance(centered: Tensor, class_sizes: Tensor | None = None) -> Tensor:
    """Maximum-likelihood covariance `XᵀX / n`.

    Args:
        centered: (n, d) float64, each row with the mean of its class taken away, n >= 2.
        class_sizes: (n,) integers, rows of the class of each row; without effect here.

    Returns:
        (d, d) float64, on the device of `centered`; singular when n < d.

    Raises:
        ShapeError: shapes or dtypes are not these, fewer than two rows, or a class of one row.
    """
    _check_centered(centered, class_sizes)
    return centered.mT @ centered / centered.shape[0]


def ledoit_wolf_covariance(centered: Tensor, class_sizes: Tensor | None = None) -> Tensor:
    """Ledoit-Wolf covariance for rows centred on their class means: shrunk towards `trace/d · I`.

    The shrinkage is the estimated squared error of the empirical covariance over its squared distance from the target.
    Two things differ from the formula for independent rows:

    - A row of a class of `m` rows keeps `1 - 1/m` of its variance, and all rows have `ν = n - C` degrees of freedom.
      Both are corrected for, so the estimated error is unbiased for Gaussian rows, even with two texts per class.
    - The shrinkage is at least `2 / (ν + 1)`, the smallest value that OAS gives for any covariance. If the texts are a
      few near-duplicates (two centred rows always are), their fourth moments show no error at all.

    For classes of equal size the shrinkage is that of Ledoit and Wolf times `n / (ν - 1)`, so it tends to theirs as
    the number of texts per class grows.

    Args:
        centered: (n, d) float64, each row with the mean of its class taken away, n >= 2.
        class_sizes: (n,) integers, rows of the class of each row; by default all rows are one class.

    Returns:
        (d, d) float64, on the device of `centered`; no eigenvalue is below `2 / (ν + 1) · trace/d`.

    Raises:
        ShapeError: shapes or dtypes are not these, fewer than two rows, or a class of one row.

    Source: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", section 3.2;
    the degrees of freedom and the floor are ours.
    """
    kept = _check_centered(centered, class_sizes)
    degrees = float(kept.sum())
    sample = centered.mT @ centered / len(centered)
    target = sample.diagonal().mean()
    distance = sample.square().sum() - len(sample) * target.square()
    # Both terms in units of the unbiased estimate, scatter / ν; their difference is a variance, so not negative.
    fourth = (centered.square().sum(-1).square() / kept).sum() / degrees
    error = fourth - (len(centered) / degrees) ** 2 * sample.square().sum()
    scale = (degrees / len(centered)) ** 2 / max(degrees - 1.0, 1.0)
    return _shrunk(sample, max(_ratio(error * scale, distance), 2.0 / (degrees + 1.0)))


def oas_covariance(centered: Tensor, class_sizes: Tensor | None = None) -> Tensor:
    """Oracle-approximating shrinkage (OAS) towards `trace/d · I`; more accurate than Ledoit-Wolf for Gaussian data.

    Args:
        centered: (n, d) float64, each row with the mean of its class taken away, n >= 2.
        class_sizes: (n,) integers, rows of the class of each row; by default all rows are one class.

    Returns:
        (d, d) float64, on the device of `centered`.

    Raises:
        ShapeError: shapes or dtypes are not these, fewer than two rows, or a class of one row.

    Source: Chen, Wiesel, Eldar and Hero 2010, equation (23), as scikit-learn corrects it for a 1/n covariance, with
    the degrees of freedom n - C for their n.
    """
    kept = _check_centered(centered, class_sizes)
    return oas_from_scatter(centered.mT @ centered, len(centered), float(kept.sum()))


COVARIANCES: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "empirical": empirical_covariance,
    "ledoit_wolf": ledoit_wolf_covariance,
    "oas": oas_covariance,
}
"""Estimators by their name in the configuration."""


def oas_from_scatter(scatter: Tensor, n: int, degrees: float) -> Tensor:
    """`oas_covariance` from the scatter matrix `XᵀX` (d, d) of n centred rows and their degrees of freedom.

    Source: as `oas_covariance`.
    """
    sample = scatter / n
    return _shrunk(sample, oas_share(sample.trace(), sample.square().sum(), len(sample), degrees))


def oas_share(trace: Tensor, square: Tensor, d: int, degrees: float) -> float:
    """Share in (0, 1] by which OAS shrinks an empirical covariance S.

    Args:
        trace: () float64, tr S.
        square: () float64, `‖S‖²`, the sum of its squared entries or eigenvalues.
        d: size of S.
        degrees: degrees of freedom of S.

    Source: as `oas_covariance`.
    """
    return _ratio(square + trace.square(), (degrees + 1.0) * (square - trace.square() / d))


SCATTER_COVARIANCES: dict[str, Callable[[Tensor, int, float], Tensor]] = {
    "empirical": lambda scatter, n, degrees: scatter / n,  # noqa: ARG005 - one signature for all
    "oas": oas_from_scatter,
}
"""Estimators that need only the scatter matrix, the number of rows and their degrees of freedom.

Ledoit-Wolf needs fourth moments around the class means too.
"""


def cholesky_with_jitter(cov: Tensor) -> tuple[Tensor, float]:
    """Lower Cholesky factor of `cov + jitter · I`, with the smallest jitter in a list that makes it well defined.

    The jitters are multiples of trace(cov) / d, so that they suit features of any scale. A factor whose smallest
    squared pivot is within rounding error is refused even if LAPACK accepts it.

    Args:
        cov: (d, d) float64, symmetric, positive semi-definite up to rounding.

    Returns:
        (d, d) float64 factor, and the jitter that was added, in units of `cov`.

    Raises:
        ShapeError: `cov` is not square float64, not finite or not symmetric.
        InfeasibleError: no variance at all, or `cov` is indefinite even with the largest jitter.
    """
    d = cov.shape[-1]
    if cov.shape != (d, d) or d == 0 or cov.dtype != torch.float64:
        raise ShapeError(f"expected a covariance (d, d) float64, got {tuple(cov.shape)} {cov.dtype}")
    if not torch.isfinite(cov).all():
        raise ShapeError("expected a finite covariance, got NaN or infinity: look at the features it was fitted to")
    if not torch.allclose(cov, cov.mT, rtol=1e-8, atol=1e-10 * float(cov.abs().max())):
        raise ShapeError(f"expected a symmetric covariance, got |cov - covᵀ| up to {float((cov - cov.mT).abs().max())}")
    scale = float(cov.diagonal().mean())
    if scale <= 0.0:
        raise InfeasibleError(
            f"expected a covariance with positive trace, got trace / d = {scale}: features do not vary"
        )
    identity = torch.eye(d, dtype=cov.dtype, device=cov.device)
    rounding = d * torch.finfo(cov.dtype).eps * float(cov.diagonal().max())
    for rung in JITTER_LADDER:
        factor, info = torch.linalg.cholesky_ex(cov + rung * scale * identity)
        if int(info) == 0 and float(factor.diagonal().min()) ** 2 > rounding:
            return factor, rung * scale
    smallest = float(torch.linalg.eigvalsh(cov)[0])
    raise InfeasibleError(
        f"expected a positive semi-definite covariance, got the eigenvalue {smallest:.3g} at trace / d = {scale:.3g}; "
        f"adding up to {JITTER_LADDER[-1]} · trace / d does not mend it. Use a shrunk estimate (ledoit_wolf or oas)"
    )


def _shrunk(sample: Tensor, share: float) -> Tensor:
    shrunk = (1.0 - share) * sample
    shrunk.diagonal().add_(share * sample.diagonal().mean())
    return shrunk


def _ratio(error: Tensor, distance: Tensor) -> float:
    """`error / distance` clipped to [0, 1]; 1 if the covariance equals its target up to rounding."""
    return 1.0 if float(distance) <= 0.0 else min(max(float(error / distance), 0.0), 1.0)


def _check_centered(centered: Tensor, class_sizes: Tensor | None) -> Tensor:
    """The share of its variance that each row keeps after centring, (n,) float64."""
    if centered.ndim != 2 or centered.shape[0] < 2 or centered.shape[1] < 1 or centered.dtype != torch.float64:
        raise ShapeError(
            "expected centred features (n, d) float64 with n >= 2 and d >= 1, "
            f"got {tuple(centered.shape)} {centered.dtype}"
        )
    n = len(centered)
    sizes = centered.new_full((n,), n) if class_sizes is None else class_sizes.to(centered)
    if sizes.shape != (n,) or bool((sizes < 2).any()):
        raise ShapeError(
            f"expected the size of the class of each of {n} rows, 2 at least, got {tuple(sizes.shape)} with the "
            f"smallest {float(sizes.min()) if sizes.numel() else None}: leave out classes of one text"
        )
    return 1.0 - 1.0 / sizes
