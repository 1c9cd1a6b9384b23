"""Determines, while the pool is streamed, which virtual outliers have a text of the pool nearby."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vos.mining.candidates import Facts
from vos.mining.targets import TargetSpace
from vos.types import VirtualOutliers


class Surroundings:
    """The distance of each virtual outlier to its nearest text with a similar margin.

    Args:
        space: the space of the distances.
        outliers: m virtual outliers.
        band: largest difference of similar margins, in logit units.
    """

    def __init__(self, space: TargetSpace, outliers: VirtualOutliers, band: float) -> None:
        self.space, self.outliers, self.band = space, outliers, band
        self.targets = space.targets(outliers)
        self.nearest: Tensor = torch.full((len(outliers),), torch.inf, dtype=torch.float64)

    def offer(self, facts: Facts) -> None:
        """Add texts."""
        distances = self.space.distances(self.space.coordinates(facts.batch.features), self.targets.coordinates)
        off = (facts.margins.double()[:, None] - self.targets.margins.double()[None]).abs()
        found = torch.where(off <= self.band, distances, torch.inf).min(0).values
        self.nearest = torch.minimum(self.nearest, found)

    def empty(self) -> Surroundings:
        """A copy with the same outliers and without any text."""
        return Surroundings(self.space, self.outliers, self.band)

    def merge(self, nearest: Tensor) -> None:
        """Merge with the distances (m,) from other texts."""
        self.nearest = torch.minimum(self.nearest, nearest)

    def report(self, distance: float) -> dict[str, Any]:
        """Number of outliers without a text within this distance: gaps, where the boundary has no texts."""
        reached = int((self.nearest <= distance).sum())
        return {"outliers": len(self.targets), "without_text": len(self.targets) - reached, "distance": distance}
