"""Acquisition methods, which choose the near-boundary texts of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from vos.errors import ConfigError
from vos.mining.coverage import CoverageSettings
from vos.mining.index import ApproximateSettings, check_index


@dataclass(frozen=True)
class MarginAcquisition:
    """The smallest |margin| first: uncertainty sampling."""


@dataclass(frozen=True)
class RandomAcquisition:
    """A uniform sample of the pool: a baseline, and an unbiased set for measurements."""


@dataclass(frozen=True)
class TargetAcquisition:
    """The texts nearest to virtual outliers, to study their distance and margin.

    Attributes:
        per_target: texts kept per target while the pool is streamed.
        index: how the pool is searched: "none" compares every text with every target while the pool is streamed;
            "exact" and "approximate" store its features on disk and search them with faiss, see `vos.mining.index`.
        approximate: see `ApproximateSettings`.
    """

    per_target: int = 20
    index: str = "none"
    approximate: ApproximateSettings = field(default_factory=ApproximateSettings)

    def __post_init__(self) -> None:
        check_index(self.index)
        if self.per_target < 1:
            raise ConfigError(f"acquisition.per_target: expected at least 1, got {self.per_target}")


Acquisition = CoverageSettings | MarginAcquisition | RandomAcquisition | TargetAcquisition
"""Types of `SynthesisSettings.acquisition`."""
