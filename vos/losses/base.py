"""What a training step calls, and what all losses share: two sides of equal weight."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import Tensor, nn

from vos.density.checks import at_least_float32, check_labels
from vos.errors import ConfigError, ShapeError

logger = logging.getLogger(__name__)


class OutlierLoss(Protocol):
    """What a training step calls."""

    def __call__(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """Loss of one batch.

        Args:
            logits: (b, C) of the texts.
            features: (b, d) of the texts.
            labels: (b,) int64 in [0, C).
            outlier_logits: (m, C).
            outlier_features: (m, d).

        Returns:
            scalar, at least float32.

        Raises:
            ShapeError: shapes or dtypes are not these, or a side is empty.
            DataError: a label outside [0, C).
        """


class OutlierRegularizer(nn.Module, ABC):
    """A loss with a text side and an outlier side of equal weight; see `OutlierLoss`.

    Both sides are computed in float32 at least, whatever autocast says: energies and hinges of half-precision logits
    lose the digits that the loss is about.
    """

    def __init__(self, n_classes: int, at_least: int = 1) -> None:
        super().__init__()
        if n_classes < at_least:
            raise ConfigError(f"loss: expected at least {at_least} classes, got {n_classes}")
        self.n_classes = n_classes

    def forward(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """See `OutlierLoss`; a loss that is not calibrated is so on the texts of its first batch, with a warning."""
        check_batch(self.n_classes, logits, features, labels, outlier_logits, outlier_features)
        with torch.autocast(logits.device.type, enabled=False):
            logits = at_least_float32(logits)
            if not self.is_calibrated:
                self.calibrate(logits)
                logger.warning(
                    "%s(%s) was calibrated on the %d texts of one batch; to calibrate it on the training texts, call "
                    "calibrate(logits) before",
                    type(self).__name__,
                    self.extra_repr(),
                    len(logits),
                )
            texts = self.id_loss(logits, at_least_float32(features), labels)
            outliers = self.ood_loss(at_least_float32(outlier_logits), at_least_float32(outlier_features))
            return 0.5 * (texts + outliers)

    @property
    def is_calibrated(self) -> bool:
        """Whether all thresholds are known; those that are not given come from texts, see `calibrate`."""
        return True

    def calibrate(self, logits: Tensor) -> None:
        """Take the thresholds that are not given from the logits (n, C) of the training texts.

        Raises:
            ShapeError: the logits are not (n, C) with n >= 1.
            DataError: a row of them with NaN or infinity.
            ConfigError: a calibrated threshold does not go with a given one.
        """

    @abstractmethod
    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of the texts, a scalar."""

    @abstractmethod
    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:
        """Mean loss of the outliers, a scalar."""


def check_batch(
    n_classes: int, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
) -> None:
    """Refuse a batch that is not what `OutlierLoss` documents.

    A label of no class is looked for here, in every batch, since no loss would say so by itself: C is the class of
    outliers to one of them, and others never read the labels. Where a GPU is waited for, it has just been waited for:
    a training step puts its features into a memory first, which looks at the labels too.

    Raises:
        ShapeError: shapes or dtypes differ from the documented ones, or a side is empty.
        DataError: a label outside [0, C).
    """
    b, m = len(logits), len(outlier_logits)
    d = features.shape[-1]
    found = [tuple(t.shape) for t in (logits, features, labels, outlier_logits, outlier_features)]
    if found != [(b, n_classes), (b, d), (b,), (m, n_classes), (m, d)] or b == 0 or m == 0:
        raise ShapeError(
            f"expected logits (b, {n_classes}), features (b, d), labels (b,), outlier_logits (m, {n_classes}) and "
            f"outlier_features (m, d) with b, m >= 1, got {found}"
        )
    check_labels(labels, n_classes)
