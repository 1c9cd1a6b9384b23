"""Which targets are reachable from real texts, determined before any cost, and the outcome of each target."""

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
        distance: D to the nearest real text with a margin in the target's band, in units of the space; None if there is
            no such text. Texts outside the band do not count, because both margin and D must be near.
        reachable: whether the distance is small enough to spend tokens.
        starts: rows of real texts without debris by descending potential.
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
    """The outcome of one target.

    Attributes:
        target: index of the target.
        reach: D to the nearest real text in the band, None if there is none.
        reachable: whether anything was tried.
        accepted: accepted candidates, nearest first.
        cost: cost of the target, including its share of the pilot.
        refused: number of refused texts, by reason.
        nearest_miss: if none is accepted, the best text that breaks no rule but is not near enough.
        log_z: log of the estimate of `Σ p φ`, if sequential Monte Carlo was run.
        asked: number of requested texts, by subtlety.
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
