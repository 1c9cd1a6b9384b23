"""What a way of choosing texts gives to the batch and to its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vos.mining.selection import Selection
from vos.mining.targets import Targets, TargetSpace


@dataclass(frozen=True)
class Acquired:
    """A chosen batch, and how it came about.

    Attributes:
        selection: the batch.
        targets: that its texts may answer.
        space: of the targets.
        n_scored: texts of the pool that were scored.
        counts: of them, those predicted as harmless and as harmful; where no class is harmful, all count as the second.
        lacks_near_boundary: see `vos.mining.selection.lacks_near_boundary`.
        report: what this way of choosing has to say, for `synthesis.json`.
        made: the report of the texts that a language model wrote; empty without one.
    """

    selection: Selection
    targets: Targets
    space: TargetSpace
    n_scored: int
    counts: tuple[int, int]
    lacks_near_boundary: bool
    report: Mapping[str, Any]
    made: Mapping[str, Any] = field(default_factory=dict)
