"""Losses on the features, which hold more information than the logits of a few classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer
from vos.losses.networks import MLP_WIDTH, linear, mlp, two_way


class FeatureUncertainty(OutlierRegularizer):
    """An MLP on the features separates texts from outliers; features hold more information than a few logits.

    Two-way cross-entropy with texts as 1 and outliers as 0. Only the text term trains the encoder.

    Args:
        n_classes: C.
        n_features: d.
        width: hidden units.
        seed: seed of the random weights; the global random state is not used.

    Attributes:
        mlp: maps features (n, d) to logits (n, 2), outlier first.

    Raises:
        ConfigError: a size below one.

    Source: NPOS, `CLIP_ft.py:190` (512-32-1 on features).
    """

    def __init__(self, n_classes: int, n_features: int, width: int = MLP_WIDTH, seed: int = 0) -> None:
        super().__init__(n_classes)
        if n_features < 1 or width < 1:
            raise ConfigError(f"loss: expected n_features and width >= 1, got {n_features} and {width}")
        self.mlp = mlp(n_features, width, 2, seed)

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the MLP against 1."""
        return two_way(self.mlp, features, 1)

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the MLP against 0."""
        return two_way(self.mlp, features, 0)


class ExtraClass(OutlierRegularizer):
    """One more class for outliers: cross-entropy over C + 1 logits, the last one linear in the features.

    Args:
        n_classes: C.
        n_features: d.

    Attributes:
        outlier_logit: maps features (n, d) to the logit (n, 1) of the class of outliers; starts at zero.

    Raises:
        ConfigError: a size below one.

    Source: Zhan et al. 2021 (DCLOOS), the (K+1)-way classifier for convex mixes; there texts and outliers are averaged
    together.
    """

    def __init__(self, n_classes: int, n_features: int) -> None:
        super().__init__(n_classes)
        if n_features < 1:
            raise ConfigError(f"loss: expected n_features >= 1, got {n_features}")
        self.outlier_logit = linear(torch.zeros(1, n_features))

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy against the true class."""
        return functional.cross_entropy(self.all_logits(logits, features), labels)

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:
        """Cross-entropy against the extra class."""
        target = torch.full_like(logits[:, 0], self.n_classes, dtype=torch.int64)
        return functional.cross_entropy(self.all_logits(logits, features), target)

    def all_logits(self, logits: Tensor, features: Tensor) -> Tensor:
        """Logits (n, C + 1) of logits (n, C) and features (n, d)."""
        last: Tensor = self.outlier_logit(features.to(self.outlier_logit.weight.dtype))
        return torch.cat([logits, last.to(logits.dtype)], -1)
