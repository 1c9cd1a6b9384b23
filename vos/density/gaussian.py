"""The class-conditional Gaussian with a full covariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.covariance import COVARIANCES, SCATTER_COVARIANCES, cholesky_with_jitter
from vos.density.streaming import StreamingMoments
from vos.errors import ConfigError


class ClassConditionalGaussian(GaussianDensity):
    """`h | class c ~ N(μ_c, Σ)`, with one Σ for all classes (tied) or one per class; see `GaussianDensity`.

    Args:
        n_classes: C.
        n_features: d.
        covariance: name in `vos.density.covariance.COVARIANCES`.
        tied: one covariance for all classes.

    Attributes:
        cholesky: `L`, (d, d) float64 when tied, otherwise (C, d, d); the identity before a fit.

    Raises:
        ConfigError: an unknown `covariance`, or a size below one.

    Example:
        >>> features = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 5.0]])
        >>> density = ClassConditionalGaussian(2, 2, "empirical").fit(features, torch.tensor([0, 0, 1, 1]))
        >>> density.mahalanobis(torch.tensor([[1.0, 1.0]])).round(decimals=6)
        tensor([[ 2., 20.]], dtype=torch.float64)
    """

    cholesky: Tensor

    def __init__(self, n_classes: int, n_features: int, covariance: str = "ledoit_wolf", tied: bool = True) -> None:
        super().__init__(n_classes, n_features, tied)
        if covariance not in COVARIANCES:
            raise ConfigError(f"density.covariance: expected one of {', '.join(COVARIANCES)}, got {covariance!r}")
        self.covariance = covariance
        identity = torch.eye(n_features, dtype=torch.float64)
        self.register_buffer("cholesky", identity if tied else identity.repeat(n_classes, 1, 1))

    def settings(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        sizes = {"n_classes": self.n_classes, "n_features": self.n_features}
        return {**sizes, "covariance": self.covariance, "tied": self.tied}

    def log_determinant(self) -> Tensor:
        """`log |Σ|`: () float64 when tied, else (C,)."""
        return 2.0 * self.cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def mean_variance(self) -> Tensor:
        """`trace(Σ) / d`: () float64 when tied, else (C,)."""
        return self.cholesky.square().sum((-2, -1)) / self.n_features

    @torch.no_grad()
    def fit_moments(self, moments: StreamingMoments) -> Self:
        """Fit from moments accumulated batch by batch; equals `fit` on all batches at once, up to rounding.

        Args:
            moments: with the same sizes and the same `tied` as this density.

        Returns:
            self.

        Raises:
            ConfigError: sizes or tying differ, or the covariance needs more than second moments (ledoit_wolf).
            NotFittedError: no class has two different texts.
        """
        if self.covariance not in SCATTER_COVARIANCES:
            raise ConfigError(
                f"density.covariance: expected one of {', '.join(SCATTER_COVARIANCES)} for moments gathered batch by "
                f"batch, got {self.covariance!r}, which needs all texts at once: choose oas, or call fit"
            )
        if (moments.means.shape, moments.tied) != (self.means.shape, self.tied):
            raise ConfigError(
                f"expected moments of shape {tuple(self.means.shape)}, tied={self.tied}; "
                f"got {tuple(moments.means.shape)}, tied={moments.tied}"
            )
        counts = moments.counts.to(self.counts.device)
        ready = self._who_is_ready(counts, moments.varied().to(counts.device))
        estimate = SCATTER_COVARIANCES[self.covariance]
        scatter = moments.scatter.to(self.means)

        def covariance_of(c: int | None) -> Tensor:
            if c is not None:
                return estimate(scatter[c], int(counts[c]), float(counts[c]) - 1.0)
            n = int(counts[ready].sum())
            return estimate(scatter, n, float(n - int(ready.sum())))

        self._keep_factors(covariance_of, ready)
        self._adopt(moments.means.to(self.means), counts, ready)
        classes = [0] if self.tied else ready.nonzero()[:, 0].tolist()
        scatters = [scatter] if self.tied else [scatter[c] for c in classes]
        total = sum(self._solve(self._solve(s, c).mT, c).trace() for c, s in zip(classes, scatters, strict=True))
        self.training_scale.copy_(total / counts[ready].sum())
        return self

    def _fit_factor(self, centered: Tensor, labels: Tensor, ready: Tensor) -> None:
        sizes = torch.bincount(labels, minlength=self.n_classes)[labels]

        def covariance_of(c: int | None) -> Tensor:
            rows = ready[labels] if c is None else labels == c
            return COVARIANCES[self.covariance](centered[rows], sizes[rows])

        self._keep_factors(covariance_of, ready)

    def _keep_factors(self, covariance_of: Callable[[int | None], Tensor], ready: Tensor) -> None:
        """Factorise the covariance of each ready class, or the shared covariance (None)."""
        if self.tied:
            factor, jitter = cholesky_with_jitter(covariance_of(None))
            self.cholesky.copy_(factor)
            self.jitter.fill_(jitter)
            return
        # All are factorised before any is stored: if one fails, the density is unchanged.
        found = {c: cholesky_with_jitter(covariance_of(c)) for c in range(self.n_classes) if ready[c]}
        self.cholesky.copy_(torch.eye(self.n_features, dtype=torch.float64).expand_as(self.cholesky))
        for c, (factor, _) in found.items():
            self.cholesky[c] = factor
        self.jitter.fill_(max((jitter for _, jitter in found.values()), default=0.0))

    def _solve(self, residual: Tensor, label: int) -> Tensor:
        solved: Tensor = torch.linalg.solve_triangular(self._factor(label), residual.mT, upper=False)
        return solved.mT

    def _apply_factor(self, z: Tensor, label: int) -> Tensor:
        return z @ self._factor(label).mT

    def _apply_transpose(self, normals: Tensor, label: int) -> Tensor:
        return normals @ self._factor(label)

    def _factor(self, label: int) -> Tensor:
        return self.cholesky if self.tied else self.cholesky[label]
