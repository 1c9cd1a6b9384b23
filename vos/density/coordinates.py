"""The coordinates in which a class is a standard normal, from a square root of its covariance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from vos.density.precision import FixedPrecision


class ClassCoordinates(FixedPrecision, ABC):
    """`h = μ_c + L_c z`, with `Σ_c = L_c L_cᵀ`; a subclass defines how `L` is stored and applied.

    Attributes:
        tied: one `L` for all classes.
        means: (C, d) float64.
    """

    tied: bool
    means: Tensor

    @abstractmethod
    def _solve(self, residual: Tensor, label: int) -> Tensor:
        """`L⁻¹ r` (n, d) of residuals (n, d)."""

    @abstractmethod
    def _apply_factor(self, z: Tensor, label: int) -> Tensor:
        """`L z` (n, d) of coordinates (n, d)."""

    @abstractmethod
    def _apply_transpose(self, normals: Tensor, label: int) -> Tensor:
        """`Lᵀ w` (k, d) of normals (k, d)."""

    def whiten(self, h: Tensor, labels: Tensor) -> Tensor:
        """`z = L⁻¹ (h - μ)` (n, d) float64 of features (n, d), each against its class in labels (n,)."""
        return self._class_by_class(self._solve, h.to(self.means) - self.means[labels], labels)

    def color(self, z: Tensor, labels: Tensor) -> Tensor:
        """`h = μ + L z` (n, d) float64 of coordinates (n, d) in the classes of labels (n,); the inverse of `whiten`."""
        return self.means[labels] + self._class_by_class(self._apply_factor, z.to(self.means), labels)

    def pull_back(self, normals: Tensor, label: int) -> Tensor:
        """`Lᵀ w` (k, d) float64 of normals (k, d): linear functions of `h` in the coordinates of a class.

        The norm of a row is the standard deviation of `w·h` within that class.
        """
        return self._apply_transpose(normals.to(self.means), label)

    def _class_by_class(self, maps: Callable[[Tensor, int], Tensor], rows: Tensor, labels: Tensor) -> Tensor:
        """Apply `maps` to rows (n, d) class by class, or to all rows at once if the classes share `L`."""
        if self.tied:
            return maps(rows, 0)
        mapped = torch.empty_like(rows)
        for c in torch.unique(labels).tolist():
            at = labels == c
            mapped[at] = maps(rows[at], c)
        return mapped
