"""The result of an acquisition method, for the batch and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vos.mining.selection import Selection
from vos.mining.targets import Targets, TargetSpace


@dataclass(frozen=True)
class Acquired:
    """A chosen batch, and how it was chosen.

    Attributes:
        selection: the batch.
        targets: the targets that its texts may match.
        space: feature space of the targets.
        n_scored: number of texts of the pool that were scored.
        counts: number of these predicted as harmless and as harmful; if no class is harmful, all count as the second.
        lacks_near_boundary: see `vos.mining.selection.lacks_near_boundary`.
        report: entries of this acquisition method for `synthesis.json`.
        made: report on the texts written by a language model; empty without one.
    """

    selection: Selection
    targets: Targets
    space: TargetSpace
    n_scored: int
    counts: tuple[int, int]
    lacks_near_boundary: bool
    report: Mapping[str, Any]
    made: Mapping[str, Any] = field(default_factory=dict)
