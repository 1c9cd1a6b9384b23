"""The protocol that a training step calls, and the base class of all losses: two terms of equal weight."""

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
    """A loss on a batch of texts and a set of virtual outliers, as a training step calls it."""

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
    """A loss with a text term and an outlier term of equal weight; see `OutlierLoss`.

    Both terms are computed in at least float32, also under autocast: energies and hinges of half-precision logits
    would be too inexact.
    """

    def __init__(self, n_classes: int, at_least: int = 1) -> None:
        super().__init__()
        if n_classes < at_least:
            raise ConfigError(f"loss: expected at least {at_least} classes, got {n_classes}")
        self.n_classes = n_classes

    def forward(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """See `OutlierLoss`; an uncalibrated loss is calibrated on the texts of its first batch, with a warning."""
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
        """Whether all thresholds are set; thresholds that are not given are computed from texts, see `calibrate`."""
        return True

    def calibrate(self, logits: Tensor) -> None:
        """Compute the thresholds that are not given from the logits (n, C) of the training texts.

        Raises:
            ShapeError: the logits are not (n, C) with n >= 1.
            DataError: a row of logits with NaN or infinity.
            ConfigError: a computed threshold contradicts a given one.
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
    """Check that a batch is as `OutlierLoss` documents it.

    Labels are checked in every batch, because the losses themselves would not notice a wrong one: for one of them C is
    the class of outliers, and others never read the labels. The check adds no synchronisation of a GPU: the training
    step has already stored its features in a `FeatureBank` or `FeatureQueue`, which reads the labels too.

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
