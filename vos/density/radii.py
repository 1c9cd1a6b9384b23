"""Calibrated radii of a density: the distance from a class within which a given share of real texts lies."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vos.density.calibration import Array, HeldOutLaw, chi_square_beyond, chi_square_radius
from vos.density.checks import check_fit_data
from vos.density.coordinates import ClassCoordinates

logger = logging.getLogger(__name__)

TEXTS_OF_A_CLASS = 100
"""A class with at least this many held-out texts has its own radii; the others use those of all texts."""

_ALL = -1
"""Used in place of a class index: the texts of all classes."""

ROWS_OF_SCALE = 256
"""Number of training rows, evenly spaced, whose mean squared distance is the unit of the held-out distances."""


class CalibratedRadii(ClassCoordinates):
    """Radii that contain a given share of texts that neither the encoder nor the density was fitted to.

    `calibrate` measures held-out texts, and stores their squared distances in units of the mean squared distance of
    training texts in the same fit. A refit measures some training texts again, so the radii adapt without held-out
    texts. Without held-out texts the radii are those of a chi-square distribution; the log says so once.

    Attributes:
        held_out: (n,) float64, squared distances of the held-out texts in units of `training_scale`, ascending.
        held_out_labels: (n,) int64, their classes.
        training_scale: () float64, mean squared distance of training texts to their own class in the last fit.
    """

    n_classes: int
    n_features: int
    ready: Tensor
    held_out: Tensor
    held_out_labels: Tensor
    training_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("held_out", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("held_out_labels", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("training_scale", torch.ones((), dtype=torch.float64))
        self._laws: dict[int, HeldOutLaw] = {}
        self._said: set[str] = set()  # shared by all views of this density

    @property
    def is_calibrated(self) -> bool:
        """Whether held-out texts have been measured."""
        return len(self.held_out) > 0

    @torch.no_grad()
    def calibrate(self, features: Tensor, labels: Tensor) -> Self:
        """Calibrate on texts that neither the encoder nor this density was fitted to; replaces earlier calibrations.

        Texts of classes that are not ready have no distance and are left out; if no text remains, the density is
        unchanged, with a message in the log.

        Args:
            features: (n, d) floats of any dtype, from the model in evaluation mode.
            labels: (n,) int64 in [0, C).

        Returns:
            self.

        Raises:
            ShapeError: shapes or dtypes are not these.
            DataError: a label outside [0, C), or a feature that is NaN or infinite.
            NotFittedError: no class is ready.
        """
        self._require_fit()
        check_fit_data(features, labels, self.n_classes, self.n_features)
        labels = labels.to(self.ready.device)
        known = self.ready[labels]
        if not known.any():
            logger.warning("no held-out text of a class that is ready: the radii are not calibrated again")
            return self
        squared = self.own_mahalanobis(features[known.to(features.device)], labels[known])
        held_out, order = (squared / self.training_scale).sort()
        self.held_out, self.held_out_labels = held_out, labels[known][order]
        self._laws = {}
        return self

    def own_mahalanobis(self, features: Tensor, labels: Tensor) -> Tensor:
        """Squared Mahalanobis distance (n,) float64 of features (n, d) to their own classes, labels (n,)."""
        return self.whiten(features, labels).square().sum(-1)

    def squared_radii(self, distance: float, labels: Tensor) -> Tensor:
        """Squared radius (m,) float64 within which the share `distance` of the texts of each class in labels lies."""
        return self.squared_radii_beyond(
            torch.full(labels.shape, 1.0 - distance, dtype=torch.float64, device=labels.device), labels
        )

    def squared_radii_beyond(self, tail: Tensor, labels: Tensor) -> Tensor:
        """Squared radii (m,) float64 beyond which the shares `tail` of the texts of each class lie.

        Args:
            tail: (m,) shares in (0, 1].
            labels: (m,) int64 class indices.
        """
        if not self.is_calibrated:
            self.say_if_uncalibrated()
            found = chi_square_radius(self.n_features, tail.double().cpu().numpy())
            return torch.from_numpy(found).to(self.means.device)
        found = self._by_law(lambda law, beyond: law.squared_radius(beyond), tail.double(), labels)
        return torch.from_numpy(found).to(self.means.device) * self.training_scale

    def share_beyond(self, squared: Tensor, labels: Tensor) -> Tensor:
        """The share of the texts of the classes in labels (m,) beyond squared distances (m,): (m,) float64.

        One minus this value is the distance `q` of a point: it lies farther from its class than the share `q` of real
        texts.
        """
        if not self.is_calibrated:
            found = chi_square_beyond(self.n_features, squared.double().cpu().numpy())
        else:
            scaled = squared.double().to(self.training_scale.device) / self.training_scale
            found = self._by_law(lambda law, values: law.share_beyond(values), scaled, labels)
        return torch.from_numpy(found).to(self.means.device)

    def law_of(self, label: int) -> HeldOutLaw:
        """The quantiles used for a class, in units of `training_scale`: its own, or those of all texts.

        The density must be calibrated.
        """
        if label not in self._laws:
            own = self.held_out_labels == label
            if label != _ALL and int(own.sum()) < TEXTS_OF_A_CLASS:
                self._laws[label] = self.law_of(_ALL)
            else:
                squared = self.held_out if label == _ALL else self.held_out[own]
                self._laws[label] = HeldOutLaw(squared.cpu().numpy(), self.n_features)
        return self._laws[label]

    def is_extrapolated(self, squared: Tensor, labels: Tensor) -> Tensor:
        """Which squared distances (m,) lie beyond every held-out text of their class: (m,) bool, False uncalibrated."""
        beyond = torch.zeros_like(labels, dtype=torch.bool)
        for c in torch.unique(labels).tolist() if self.is_calibrated else []:
            largest = float(self.law_of(c).squared[-1]) * float(self.training_scale)
            beyond |= (labels == c) & (squared > largest * (1.0 + 1e-9))
        return beyond

    def _by_law(self, of: Callable[[HeldOutLaw, Array], Array], values: Tensor, labels: Tensor) -> Array:
        """Apply `of` to each row's value and the distribution of its class, grouped by distribution."""
        given, owners = values.cpu().numpy(), labels.cpu().numpy()
        found = np.empty(given.shape)
        laws = {c: self.law_of(c) for c in np.unique(owners).tolist()}
        for law in set(laws.values()):
            at = np.isin(owners, [c for c, its in laws.items() if its is law])
            found[at] = of(law, given[at])
        return found

    def _measure_scale(self, features: Tensor, labels: Tensor) -> None:
        """Set the unit to the mean squared distance of some training rows (n, d) of ready classes."""
        rows = self.ready[labels].nonzero()[:, 0]
        rows = rows[:: max(1, -(-len(rows) // ROWS_OF_SCALE))]
        scale = self.own_mahalanobis(features[rows], labels[rows]).mean()
        if scale > 0.0:  # zero if each class is one repeated text
            self.training_scale.copy_(scale)

    @abstractmethod
    def _require_fit(self) -> None:
        """Raise unless the density is fitted."""

    def say_if_uncalibrated(self) -> None:
        """Log once that the radii are those of a chi-square distribution, if the density is not calibrated."""
        if not self.is_calibrated and not self._said:
            self._said.add("chi-square")
            logger.warning(
                "nothing is held out for this density: its distances are chi-square quantiles, which texts that it was "
                "not fitted to exceed; give it such texts by calibrate(features, labels)"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load any number of held-out texts; a state dict from before calibration existed loads as uncalibrated."""
        absent: Mapping[str, Tensor] = {
            "held_out": self.held_out.new_zeros(0),
            "held_out_labels": self.held_out_labels.new_zeros(0),
            "training_scale": torch.ones_like(self.training_scale),
        }
        for name, value in absent.items():
            given = state_dict.setdefault(prefix + name, value)
            setattr(self, name, getattr(self, name).new_zeros(given.shape))
        self._laws = {}
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if len(self.held_out) != len(self.held_out_labels):
            n, m = len(self.held_out), len(self.held_out_labels)
            raise ValueError(f"expected a class for each held-out text, got {n} texts and {m} classes")
