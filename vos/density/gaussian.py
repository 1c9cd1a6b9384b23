"""The class-conditional Gaussian with a full covariance."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.density.covariance import COVARIANCES, cholesky_with_jitter
from vos.density.storage import read_density, write_density
from vos.errors import ConfigError, RunError


class ClassConditionalGaussian(GaussianDensity):
    """`h | class c ~ N(μ_c, Σ)`, with one Σ for all classes (tied) or one for each; see `GaussianDensity`.

    Args:
        n_classes: C.
        n_features: d.
        covariance: name in `vos.density.covariance.COVARIANCES`.
        tied: one covariance for all classes.

    Attributes:
        cholesky: `L`, (d, d) float64 when tied, else (C, d, d); identity where nothing is fitted.

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

    def extra_repr(self) -> str:
        """Sizes and kind, for `print(module)`."""
        kind = "tied" if self.tied else "per class"
        return f"n_classes={self.n_classes}, n_features={self.n_features}, covariance={self.covariance} ({kind})"

    def log_determinant(self) -> Tensor:
        """`log |Σ|`: () float64 when tied, else (C,)."""
        return 2.0 * self.cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write buffers and settings as safetensors with JSON metadata; the same density gives the same bytes."""
        settings = {
            "n_classes": self.n_classes,
            "n_features": self.n_features,
            "covariance": self.covariance,
            "tied": self.tied,
        }
        write_density(Path(path), dict(self.named_buffers()), settings)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, onto the CPU.

        Raises:
            RunError: there is no such file, or it is not a density of this version and kind.
        """
        tensors, settings = read_density(Path(path))
        try:
            density = cls(**settings)
            density.load_state_dict(tensors)
        except (TypeError, ValueError, RuntimeError) as error:
            raise RunError(f"{path}: expected the buffers and settings of a {cls.__name__}: {error}") from error
        return density

    def _fit_factor(self, centered: Tensor, labels: Tensor, ready: Tensor) -> None:
        estimate = COVARIANCES[self.covariance]
        if self.tied:
            factor, jitter = cholesky_with_jitter(estimate(centered[ready[labels]]))
            self.cholesky.copy_(factor)
            self.jitter.fill_(jitter)
            return
        self.jitter.zero_()
        for c in range(self.n_classes):
            if ready[c]:
                factor, jitter = cholesky_with_jitter(estimate(centered[labels == c]))
                self.cholesky[c] = factor
                self.jitter.clamp_min_(jitter)
            else:
                self.cholesky[c] = torch.eye(self.n_features, dtype=torch.float64)

    def _solve(self, residual: Tensor, label: int) -> Tensor:
        solved: Tensor = torch.linalg.solve_triangular(self._factor(label), residual.mT, upper=False)
        return solved.mT

    def _apply_factor(self, z: Tensor, label: int) -> Tensor:
        return z @ self._factor(label).mT

    def _apply_transpose(self, normals: Tensor, label: int) -> Tensor:
        return normals @ self._factor(label)

    def _factor(self, label: int) -> Tensor:
        return self.cholesky if self.tied else self.cholesky[label]
