"""Rules for every batch, however its texts are found: size, random share, quotas."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vos.errors import ConfigError
from vos.metrics.margins import on_harmful_side
from vos.mining.candidates import Candidate


@dataclass(frozen=True)
class SelectionSettings:
    """How a batch is composed.

    Attributes:
        n: number of texts.
        random_share: share of the batch that is a uniform random sample of the pool, in [0, 1]; it allows an unbiased
            estimate of the false-negative rate.
        near_duplicate: Jaccard index from which a text counts as a repeat, in (0, 1].
        max_cosine: cosine similarity of features from which a text counts as a repeat, in (0, 1]; None: only words are
            compared.
        max_distance: texts farther than this from their target, in units of the space, are left out; an outlier
            without a text within this distance is a gap.
        max_margin: texts with a larger |margin| are left out, in logit units; None: no limit.
        max_per_target: largest number of texts for one target, with acquisition=targets; None: no limit.
        max_side_share: largest share of near-boundary texts predicted as harmful, and likewise as harmless, in [0, 1];
            not used if no class is harmful.
        max_source_share: largest share of the near-boundary texts from one source, by its name ("pool", "lm",
            "prefix_conditioned", "instructed", "smc", "counterfactual"), in [0, 1]; a source that is not named has no
            limit.
    """

    n: int = 100
    random_share: float = 0.12
    near_duplicate: float = 0.7
    max_cosine: float | None = 0.97
    max_distance: float = 1.5
    max_margin: float | None = None
    max_per_target: int | None = None
    max_side_share: float = 1.0
    max_source_share: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.random_share <= 1 or not 0 < self.near_duplicate <= 1:
            raise ConfigError(
                "selection: expected n >= 1, random_share in [0, 1] and near_duplicate in (0, 1], "
                f"got n={self.n}, random_share={self.random_share}, near_duplicate={self.near_duplicate}"
            )
        if self.max_cosine is not None and not 0 < self.max_cosine <= 1:
            raise ConfigError(f"selection: expected max_cosine in (0, 1] or null, got {self.max_cosine}")
        if self.max_per_target is not None and self.max_per_target < 1:
            raise ConfigError(f"selection: expected max_per_target >= 1 or null, got {self.max_per_target}")
        if not all(0 <= share <= 1 for share in (self.max_side_share, *self.max_source_share.values())):
            raise ConfigError(
                "selection: expected max_side_share and every max_source_share in [0, 1], "
                f"got {self.max_side_share} and {dict(self.max_source_share)}"
            )

    @property
    def n_random(self) -> int:
        """Number of texts of the random share."""
        return round(self.n * self.random_share)


@dataclass(frozen=True)
class Selection:
    """The chosen batch, and counts of what was left out.

    Attributes:
        chosen: candidates in the order of choice, the random share last.
        dropped: number of considered but not chosen texts by reason, each under one reason, including rejected random
            texts.
        targets_hit: number of targets with at least one text.
        targets_missed: number of targets whose candidates were all left out or already taken.
    """

    chosen: tuple[Candidate, ...]
    dropped: dict[str, int]
    targets_hit: tuple[int, ...] = ()
    targets_missed: tuple[int, ...] = ()


DRAWN_ALREADY = {"near-duplicate in batch", "features of another in batch"}
"""Reasons against a text that is already in the batch in another form."""


def lacks_near_boundary(selection: Selection, settings: SelectionSettings) -> bool:
    """Whether a batch has no text near the boundary although some were requested.

    A batch with only random texts would look like a success, unless these include the near-boundary texts.
    """
    wanted = settings.n_random < settings.n
    found = any(candidate.chosen != "random" for candidate in selection.chosen)
    return wanted and not found and not DRAWN_ALREADY & selection.dropped.keys()


@dataclass
class Quotas:
    """The quotas of the near-boundary part of a batch.

    Attributes:
        settings: see `SelectionSettings`.
        wanted: number of places.
        has_sides: False if no class is harmful.
        taken: number of chosen texts by side and source.
    """

    settings: SelectionSettings
    wanted: int
    has_sides: bool = True
    taken: Counter[tuple[str, object]] = field(default_factory=Counter)

    def reason(self, candidate: Candidate) -> str | None:
        """Why this text exceeds a quota, in words for the report; None if it does not."""
        settings, source, side = self.settings, candidate.provenance.source, on_harmful_side(candidate.margin)
        if settings.max_margin is not None and abs(candidate.margin) > settings.max_margin:
            return "|margin| above max_margin"
        if self.has_sides and self.taken["side", side] >= self._places(settings.max_side_share):
            return f"quota of the {'harmful' if side else 'harmless'} side"
        if self.taken["source", source] >= self._places(settings.max_source_share.get(source, 1.0)):
            return f"quota of the source {source}"
        return None

    def count(self, candidate: Candidate) -> None:
        """Count a chosen text."""
        self.taken["side", on_harmful_side(candidate.margin)] += 1
        self.taken["source", candidate.provenance.source] += 1

    def _places(self, share: float) -> int:
        return math.floor(share * self.wanted + 1e-9)
