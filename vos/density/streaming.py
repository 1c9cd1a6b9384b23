"""Class moments accumulated batch by batch, for data sets whose features do not fit in memory."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from vos.density.checks import check_fit_data
from vos.density.precision import FixedPrecision
from vos.errors import ConfigError


class StreamingMoments(FixedPrecision):
    """Counts, means and scatter matrices of classes, updated by batches in any order.

    The scatter is stored around the running mean, not as sums of raw outer products, whose difference cancels when the
    means are large compared with the spread.

    Sufficient for `empirical` and `oas`, but not for `ledoit_wolf`, which also needs `Σ ‖h - μ‖⁴`. When a mean moves by
    δ, that sum changes by terms such as `4 δᵀ S δ` with the scatter `S` of that class: exact sums for a tied density
    would take C matrices (d, d) instead of one.

    Args:
        n_classes: C.
        n_features: d.
        tied: one scatter matrix for all classes, each text around the mean of its own class.

    Attributes:
        counts: (C,) int64.
        means: (C, d) float64.
        scatter: `Σ (h - μ)(h - μ)ᵀ`, (d, d) float64 when tied, else (C, d, d).

    Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance".
    """

    counts: Tensor
    means: Tensor
    scatter: Tensor

    def __init__(self, n_classes: int, n_features: int, tied: bool = True) -> None:
        super().__init__()
        self.tied = tied
        shape = (n_features, n_features) if tied else (n_classes, n_features, n_features)
        self.register_buffer("counts", torch.zeros(n_classes, dtype=torch.int64))
        self.register_buffer("means", torch.zeros(n_classes, n_features, dtype=torch.float64))
        self.register_buffer("scatter", torch.zeros(shape, dtype=torch.float64))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> Self:
        """Add a batch.

        Args:
            features: (b, d) floats, b >= 1.
            labels: (b,) int64 in [0, C).

        Returns:
            self.

        Raises:
            ShapeError: shapes or dtypes are not these.
            DataError: a label outside [0, C), or a feature that is NaN or infinite.
        """
        check_fit_data(features, labels, *self.means.shape)
        features, labels = features.to(self.means), labels.to(self.counts.device)
        for c in torch.unique(labels).tolist():
            rows = features[labels == c]
            mean = rows.mean(0)
            self._add(c, len(rows), mean, (rows - mean).mT @ (rows - mean))
        return self

    @torch.no_grad()
    def merge(self, other: StreamingMoments) -> Self:
        """Add the texts that `other` has seen, for example in another process.

        Raises:
            ConfigError: sizes or tying differ.
        """
        if other.scatter.shape != self.scatter.shape or other.means.shape != self.means.shape:
            raise ConfigError(
                f"expected moments of means {tuple(self.means.shape)} and scatter {tuple(self.scatter.shape)}, "
                f"got {tuple(other.means.shape)} and {tuple(other.scatter.shape)}"
            )
        for c in other.counts.nonzero()[:, 0].tolist():
            scatter = torch.zeros_like(self.scatter) if self.tied else other.scatter[c].to(self.scatter)
            self._add(c, int(other.counts[c]), other.means[c].to(self.means), scatter)
        if self.tied:
            self.scatter.add_(other.scatter.to(self.scatter))
        return self

    def varied(self) -> Tensor:
        """Classes (C,) bool whose texts differ by more than rounding; when tied, all classes or none."""
        rounding = 16 * torch.finfo(self.means.dtype).eps * self.means.abs()  # (C, d)
        if self.tied:
            spread = self.scatter.diagonal() > self.counts.sum() * rounding.square().amax(0)
            return spread.any().expand(len(self.counts))
        return (self.scatter.diagonal(dim1=-2, dim2=-1) > self.counts[:, None] * rounding.square()).any(-1)

    def _add(self, c: int, n: int, mean: Tensor, scatter: Tensor) -> None:
        before = int(self.counts[c])
        step = mean - self.means[c]
        target = self.scatter if self.tied else self.scatter[c]
        target.add_(scatter + torch.outer(step, step) * (before * n / (before + n)))
        self.means[c] += step * (n / (before + n))
        self.counts[c] += n
