"""Settings of an atlas: the number of texts, and limits of its producers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vos.errors import ConfigError

MOST_TEXTS = 20_000
"""Largest number of texts of an atlas, because one page contains them all."""


@dataclass(frozen=True)
class AtlasSettings:
    """Sizes of an atlas.

    Attributes:
        n_texts: number of texts, at most 20,000; texts of the batch and labelled texts have priority.
        near_share: share of the validation texts that counts as near the boundary; their margins define the band.
        n_units: number of the most important units with a token graph; "all" takes hours, with an estimate beforehand.
        n_outliers: number of virtual outliers per class.
        dreams: whether a language model writes texts for units and directions, besides the run's own made texts.
        describer: language model that describes differences in sentences; "" for none.
        outliers: configuration of the sampler of the virtual outliers, resolved; the sampler itself is the world's.

    Example:
        >>> AtlasSettings().n_texts
        3000
    """

    n_texts: int = 3000
    near_share: float = 0.2
    n_units: int | Literal["all"] = 100
    n_outliers: int = 64
    dreams: bool = False
    describer: str = ""
    outliers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.n_texts <= MOST_TEXTS:
            raise ConfigError(f"n_texts: expected 1 to {MOST_TEXTS:,} texts, which a page can hold, got {self.n_texts}")
        if not 0 < self.near_share < 1:
            raise ConfigError(f"near_share: expected a share between 0 and 1, got {self.near_share}")
        if self.n_units != "all" and (not isinstance(self.n_units, int) or self.n_units < 0):
            raise ConfigError(f"n_units: expected a number of units, or all, got {self.n_units!r}")
        if self.n_outliers < 1:
            raise ConfigError(f"n_outliers: expected at least 1, got {self.n_outliers}")
