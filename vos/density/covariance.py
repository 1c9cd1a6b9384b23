"""Covariance estimates of centred features, and their Cholesky factor.

All estimates divide by `n`, as VOS and scikit-learn do. Features centred on C class means have lost C degrees of
freedom, so the tied estimate is smaller than the truth by the factor (n - C) / n on average.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vos.errors import InfeasibleError, ShapeError

JITTER_LADDER = (0.0, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Multiples of trace(cov) / d that are added to the diagonal, tried in this order."""


def empirical_covariance(centered: Tensor) -> Tensor:
    """Maximum-likelihood covariance `XᵀX / n`.

    Args:
        centered: (n, d) float64 with its mean taken away, n >= 2.

    Returns:
        (d, d) float64, on the device of `centered`; singular when n < d.

    Raises:
        ShapeError: `centered` is not (n, d) float64, or has fewer than two rows.
    """
    _check_centered(centered)
    return centered.mT @ centered / centered.shape[0]


def ledoit_wolf_covariance(centered: Tensor) -> Tensor:
    """Empirical covariance shrunk towards `trace/d · I` by the share of Ledoit and Wolf.

    Two centred rows are mirror images of each other, `x` and `-x`. The formula takes their agreement for certainty and
    shrinks by nothing, where a single direction is all that is known; here they give `trace/d · I`.

    Args:
        centered: (n, d) float64 with its mean taken away, n >= 2.

    Returns:
        (d, d) float64, on the device of `centered`; positive definite for n < d too, unless all rows are zero.

    Raises:
        ShapeError: `centered` is not (n, d) float64, or has fewer than two rows.

    Source: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", section 3.2.
    """
    _check_centered(centered)
    if len(centered) == 2:
        return centered.square().mean() * torch.eye(centered.shape[1], dtype=centered.dtype, device=centered.device)
    n, d = centered.shape
    sample = centered.mT @ centered / n
    square = sample.square().sum()
    # Averaged over texts, ‖xxᵀ - S‖² is ‖x‖⁴ less ‖S‖².
    error = (centered.square().sum(-1).square().mean() - square) / n
    return _shrunk(sample, _ratio(error, square - sample.trace().square() / d))


def oas_covariance(centered: Tensor) -> Tensor:
    """Empirical covariance shrunk towards `trace/d · I` by the oracle-approximating share, better for Gaussian data.

    Args:
        centered: (n, d) float64 with its mean taken away, n >= 2.

    Returns:
        (d, d) float64, on the device of `centered`.

    Raises:
        ShapeError: `centered` is not (n, d) float64, or has fewer than two rows.

    Source: Chen, Wiesel, Eldar and Hero 2010, equation (23), as scikit-learn corrects it for a 1/n covariance.
    """
    _check_centered(centered)
    return oas_from_scatter(centered.mT @ centered, len(centered))


COVARIANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "empirical": empirical_covariance,
    "ledoit_wolf": ledoit_wolf_covariance,
    "oas": oas_covariance,
}
"""Estimators by the name that a configuration uses."""


def oas_from_scatter(scatter: Tensor, n: int) -> Tensor:
    """`oas_covariance` from the scatter matrix `XᵀX` (d, d) of n centred rows; needs no rows.

    Source: as `oas_covariance`.
    """
    sample = scatter / n
    square, trace_square = sample.square().sum(), sample.trace().square()
    return _shrunk(sample, _ratio(square + trace_square, (n + 1) * (square - trace_square / len(sample))))


SCATTER_COVARIANCES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "empirical": lambda scatter, n: scatter / n,
    "oas": oas_from_scatter,
}
"""Estimators that need only the scatter matrix and the number of rows; Ledoit-Wolf needs fourth moments too."""


def cholesky_with_jitter(cov: Tensor) -> tuple[Tensor, float]:
    """Lower Cholesky factor of `cov + jitter · I`, with the smallest jitter of a ladder that makes it well defined.

    The ladder scales with trace(cov) / d, so that it means the same for features of any size. A factor whose smallest
    squared pivot drowns in rounding error is refused even where LAPACK lets it pass.

    Args:
        cov: (d, d) float64, symmetric, positive semi-definite up to rounding.

    Returns:
        (d, d) float64 factor, and the jitter that was added, in units of `cov`.

    Raises:
        ShapeError: `cov` is not square float64, not finite or not symmetric.
        InfeasibleError: no variance at all, or `cov` is indefinite by more than the ladder can mend.
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
    """`error / distance` within [0, 1]; 1 where a covariance is its target, at no distance but for rounding."""
    return 1.0 if float(distance) <= 0.0 else min(max(float(error / distance), 0.0), 1.0)


def _check_centered(centered: Tensor) -> None:
    if centered.ndim != 2 or centered.shape[0] < 2 or centered.shape[1] < 1 or centered.dtype != torch.float64:
        raise ShapeError(
            "expected centred features (n, d) float64 with n >= 2 and d >= 1, "
            f"got {tuple(centered.shape)} {centered.dtype}"
        )
