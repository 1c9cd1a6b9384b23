"""Which targets lie where texts are, before anything is spent on them, and what came of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vos.generation.particles import Cost
from vos.generation.prompts import RealTexts
from vos.mining.candidates import Candidate
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.storage.provenance import Provenance
from vos.types import Example


@dataclass(frozen=True)
class Reach:
    """How far a target is from the real texts.

    Attributes:
        distance: D to the nearest real text whose margin lies within the target's band, in units of the space; None
            when no real text lies there. Texts beyond the band do not count: a text is near on both accounts or not.
        reachable: whether that is near enough to be worth tokens.
        starts: rows of real texts without debris by falling potential, best first.
    """

    distance: float | None
    reachable: bool
    starts: tuple[int, ...]


def reachability(
    space: TargetSpace,
    targets: Targets,
    real: RealTexts,
    potential: Potential,
    *,
    max_start: float | None,
    n_starts: int,
) -> tuple[Reach, ...]:
    """The reach of every target.

    Args:
        space: see `TargetSpace`.
        targets: m goals.
        real: n labelled texts.
        potential: orders the starts; its delta is the half-width of the band.
        max_start: largest distance of a reachable target to its nearest real text in the band; None: all are reachable.
        n_starts: starts kept for each target.
    """
    distances = space.distances(real.coordinates, targets.coordinates)
    off = (real.margins.double()[:, None] - targets.margins.double()[None]).abs()
    values = potential.log_value(distances, off)
    clean = torch.tensor(sorted(real.clean), dtype=torch.int64)
    order = clean[torch.argsort(values[clean], dim=0, descending=True, stable=True)[:n_starts]]
    nearest = torch.where(off <= potential.delta, distances, math.inf).min(0).values.tolist()
    return tuple(
        Reach(
            near if math.isfinite(near) else None,
            max_start is None or near <= max_start,
            tuple(order[:, target].tolist()),
        )
        for target, near in enumerate(nearest)
    )


@dataclass(frozen=True)
class Outcome:
    """What came of one target.

    Attributes:
        target: its index.
        reach: D to the nearest real text in the band, None when there is none.
        reachable: whether anything was tried.
        accepted: candidates that serve it, nearest first.
        cost: spent on it, its share of the pilot included.
        refused: texts left out, by reason.
        nearest_miss: the best text that keeps every rule but is not near enough, when none is accepted.
        log_z: log of the estimate of `Σ p φ` when sequential Monte Carlo ran.
        asked: texts that a model was asked for, by subtlety.
    """

    target: int
    reach: float | None
    reachable: bool
    accepted: tuple[Candidate, ...]
    cost: Cost
    refused: Mapping[str, int]
    nearest_miss: Candidate | None = None
    log_z: float | None = None
    asked: Mapping[str, int] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of "hit", "missed" and "unreachable"."""
        if not self.reachable:
            return "unreachable"
        return "hit" if self.accepted else "missed"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """The outcome whose `asdict` went through JSON."""
        miss = values["nearest_miss"]
        return cls(
            **dict(values)
            | {
                "accepted": tuple(map(candidate_from_dict, values["accepted"])),
                "cost": Cost(**values["cost"]),
                "nearest_miss": None if miss is None else candidate_from_dict(miss),
            }
        )


def candidate_from_dict(values: Mapping[str, Any]) -> Candidate:
    """The candidate whose `asdict` went through JSON."""
    return Candidate(
        **dict(values)
        | {
            "example": Example(**values["example"]),
            "probability": tuple(values["probability"]),
            "mahalanobis": tuple(values["mahalanobis"]),
            "provenance": Provenance.from_dict(values["provenance"]),
        }
    )
