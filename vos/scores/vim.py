"""The OOD score ViM, computed from features and logits together."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from vos.density.checks import check_finite, check_rows, check_width
from vos.density.precision import FixedPrecision
from vos.errors import ConfigError, DataError, NotFittedError, ShapeError
from vos.types import LinearHead


class ViM(FixedPrecision):
    """Virtual-logit matching: the part of a feature outside the principal subspace of the texts, as an extra logit.

    `score = α ‖(h - o) R‖ - logsumexp(logits)`, with `o` the point where all logits are zero (in the least-squares
    sense), `R` all principal directions of the texts around `o` except the `n_principal` leading ones, and `α` such
    that the mean virtual logit equals the mean of the texts' largest logits. A monotone map of the paper's probability
    of the virtual logit.

    Args:
        n_features: d.
        n_principal: number of leading directions left out, in [1, d); by default, as in the paper, 1,000 for
            d >= 1,500, 512 for d >= 768, and otherwise half of d.

    Attributes:
        origin: `o`, (d,) float64.
        residual: `R`, (d, d - n_principal) float64 with orthonormal columns.
        scale: `α`, () float64, positive.
        fitted: () bool.

    Raises:
        ConfigError: `n_principal` outside [1, d).

    Source: Wang et al. 2022, "ViM: Out-of-distribution with virtual-logit matching".
    """

    origin: Tensor
    residual: Tensor
    scale: Tensor
    fitted: Tensor

    def __init__(self, n_features: int, n_principal: int | None = None) -> None:
        super().__init__()
        if n_principal is None:
            n_principal = 1000 if n_features >= 1500 else 512 if n_features >= 768 else n_features // 2
        if not 1 <= n_principal < n_features:
            raise ConfigError(f"ViM: expected n_principal in [1, {n_features}), got {n_principal}")
        self.register_buffer("origin", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("residual", torch.zeros(n_features, n_features - n_principal, dtype=torch.float64))
        self.register_buffer("scale", torch.zeros((), dtype=torch.float64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, features: Tensor, head: LinearHead) -> Self:
        """Fit to ID features (n, d) and the head that reads them; returns self. On an error nothing changes.

        Raises:
            ShapeError: features are not (n, d) with n >= 1, or the head does not have d features.
            DataError: a row of features with NaN or infinity; no text has a part outside the principal subspace, as
                with at most `n_principal` texts; or the mean of the texts' largest logits is not positive. The paper
                does not treat the last two cases: `α` would be infinite, or a larger part outside would make a text
                *less* out-of-distribution.
        """
        check_width(features, len(self.origin))
        self._check_head(head)
        if len(features) == 0:
            raise ShapeError(f"ViM: expected features (n, {len(self.origin)}) of at least one text, got none")
        check_finite(features, "features")
        h, weight, bias = features.to(self.origin), head.weight.to(self.origin), head.bias.to(self.origin)
        # Minimum-norm least squares; the driver gelsd allows dependent rows, and runs only on the CPU.
        solution = torch.linalg.lstsq(weight.cpu(), -bias.cpu()[:, None], driver="gelsd").solution[:, 0]
        origin = solution.to(self.origin)
        centered = h - origin
        vectors = torch.linalg.eigh(centered.mT @ centered).eigenvectors  # ascending
        residual = vectors[:, : self.residual.shape[1]]
        scale = self._scale((h @ weight.mT + bias).amax(-1), centered, residual)
        self.origin.copy_(origin)
        self.residual.copy_(residual)
        self.scale.copy_(scale)
        self.fitted.fill_(True)
        return self

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Score (n,) float64 of features (n, d) and their logits (n, C).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: features are not (n, d), or logits not (n, C).
        """
        check_width(features, len(self.origin))
        check_rows(logits, "logits (n, C)")
        if not self.fitted:
            raise NotFittedError("ViM: call fit(features, head) first")
        virtual = self.scale * ((features.to(self.origin) - self.origin) @ self.residual).norm(dim=-1)
        score: Tensor = virtual - torch.logsumexp(logits.to(self.origin), -1)
        return score

    def _scale(self, top: Tensor, centered: Tensor, residual: Tensor) -> Tensor:
        """`α` () from the largest logits (n,), the features (n, d) relative to `o` and the directions `R`."""
        outside = (centered @ residual).norm(dim=-1).mean()
        # The directions are known only up to rounding, and so are the components along them.
        if not outside > 1e-9 * centered.norm(dim=-1).mean():
            kept = len(self.origin) - self.residual.shape[1]
            raise DataError(
                f"ViM: expected texts with a part outside of their {kept} leading directions, found none in {len(top)} "
                "texts: give more texts, or lower n_principal"
            )
        if not top.mean() > 0.0:
            raise DataError(
                f"ViM: expected largest logits that are positive in the mean, found {float(top.mean()):.4g}: the "
                "virtual logit is scaled to that mean and would fall with the distance; score this head with "
                "mahalanobis or knn"
            )
        scale: Tensor = top.mean() / outside
        return scale

    def _check_head(self, head: LinearHead) -> None:
        n_classes = len(head.bias)
        if head.weight.shape != (n_classes, len(self.origin)) or head.bias.shape != (n_classes,) or n_classes == 0:
            raise ShapeError(
                f"ViM: expected a head with weight (C, {len(self.origin)}) and bias (C,), got "
                f"{tuple(head.weight.shape)} and {tuple(head.bias.shape)}"
            )
