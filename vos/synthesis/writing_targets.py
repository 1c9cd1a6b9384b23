"""The targets that a language model writes for: the least covered places of the boundary, and outliers near a text."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vos.errors import DataError, RunError
from vos.generation.generate import real_texts
from vos.generation.reach import reachability
from vos.metrics.margins import deciding_pair
from vos.mining.candidates import Facts
from vos.mining.coverage import BoundaryCoverage
from vos.mining.facility_location import FacilityLocation
from vos.mining.targets import TargetSpace
from vos.storage.sealed import OPEN, SEAL, check_sealed, save_sealed
from vos.storage.text_ids import text_uid
from vos.synthesis.job import SynthesisJob
from vos.synthesis.settings import GenerationSettings
from vos.synthesis.surroundings import Surroundings
from vos.types import Example, VirtualOutliers

logger = logging.getLogger(__name__)

FILE = "writing_targets.safetensors"
"""File of the targets, which depend on the whole pool, so that a batch can be verified without scoring it again."""

BEGINNINGS = 1000
"""Largest number of pool texts whose beginnings the language model may continue."""

TRIES = 4
"""Places considered per requested target; those without a real text nearby are skipped."""


@dataclass(frozen=True)
class WritingTargets:
    """The targets for writing, and texts to start from.

    Attributes:
        outliers: m points of feature space, each near a real text.
        beginnings: texts of the pool near the requested margin, whose beginnings may be continued, besides the training
            texts.
        report: counts.
    """

    outliers: VirtualOutliers
    beginnings: tuple[Example, ...]
    report: dict[str, Any]

    def __len__(self) -> int:
        return len(self.outliers)


def writing_targets(
    job: SynthesisJob,
    generation: GenerationSettings,
    space: TargetSpace,
    coverage: BoundaryCoverage,
    surroundings: Surroundings,
    n_made: int,
) -> WritingTargets:
    """Choose targets: as many as texts are requested, up to `generation.targets`.

    These are the least covered texts of the demand, each moved to the requested margin, and virtual outliers; of both
    only those near a real text, because the language model needs a text to start from.
    """
    margin = asked_margin(job, generation)
    beginnings = _beginnings(margin, coverage.supply, job)
    real = real_texts(job.data.train, job.featurizer, space, beginnings)
    settings = generation.text_generator

    def in_reach(points: VirtualOutliers) -> list[int]:
        reach = reachability(
            space, space.targets(points), real, job.settings.potential, max_start=settings.max_start, n_starts=1
        )
        return [row for row, place in enumerate(reach) if place.reachable]

    drawn = surroundings.outliers
    most = min(generation.targets, max(n_made, 1))
    near = in_reach(drawn)[: most // 2]
    wanted = most - len(near)
    places = move_to_margin(_least_covered(coverage, TRIES * wanted), job, margin)
    reached = in_reach(places)
    # Candidates after the last chosen one were not checked.
    looked_at = len(places) if len(reached) < wanted else reached[wanted - 1] + 1 if wanted else 0
    reached = reached[:wanted]
    report = {
        "places": len(reached),
        "places_out_of_reach": looked_at - len(reached),
        "outliers": len(near),
        "beginnings_of_the_pool": len(beginnings),
    }
    return WritingTargets(_joined(_at(places, reached), _at(drawn, near)), beginnings, report)


def asked_margin(job: SynthesisJob, generation: GenerationSettings) -> float:
    """The requested margin of written texts."""
    margin = getattr(job.sampler, "margin", None) if generation.margin is None else generation.margin
    return 0.0 if margin is None else float(margin)


def _beginnings(margin: float, supply: Facts, job: SynthesisJob) -> tuple[Example, ...]:
    """Texts of the pool within the band of the requested margin, nearest first."""
    off = (supply.margins.double() - margin).abs()
    order = off.argsort(stable=True)[:BEGINNINGS].tolist()
    return tuple(supply.examples[row] for row in order if float(off[row]) <= job.settings.potential.delta)


def _least_covered(coverage: BoundaryCoverage, n: int) -> Facts:
    """Texts of the demand that would add the most coverage, one after the other."""
    q = len(coverage.demand)
    location = FacilityLocation(
        coverage.location.similarity[:q], coverage.location.weights, coverage.location.covered.copy()
    )
    rows: list[int] = []
    while len(rows) < n and (best := location.best()) is not None:
        location.take(best[0])
        rows.append(best[0])
    return coverage.demand.at(rows)


def move_to_margin(facts: Facts, job: SynthesisJob, margin: float) -> VirtualOutliers:
    """The nearest points, by Mahalanobis distance, at which the logits of a text's two classes differ by `margin`.

    With w the difference of the classes' rows and Σ the within-class covariance, `h + (margin - m) Σw / wᵀΣw`.
    """
    features, head = facts.batch.features.double(), job.featurizer.head
    pairs = deciding_pair(facts.batch.logits, job.data.harmful)
    weight = head.weight.detach().double()
    normals = weight[pairs[:, 0]] - weight[pairs[:, 1]]
    steps = normals @ job.density.within_class_covariance().double()
    scale = (steps * normals).sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    moved = features + (margin - facts.margins.double())[:, None] * steps / scale
    distances = job.density.mahalanobis(moved)
    nearest = distances.min(1)
    return VirtualOutliers(moved, nearest.indices, nearest.values)


def _at(points: VirtualOutliers, rows: list[int]) -> VirtualOutliers:
    return VirtualOutliers(points.features[rows], points.labels[rows], points.mahalanobis[rows])


def _joined(first: VirtualOutliers, second: VirtualOutliers) -> VirtualOutliers:
    def together(name: str) -> Tensor:
        a: Tensor = getattr(first, name)
        b: Tensor = getattr(second, name)
        return torch.cat([a, b.to(a.dtype)])

    return VirtualOutliers(together("features"), together("labels"), together("mahalanobis"))


def note_shortfall(targets: int, per_target: int, wanted: int, pool: int) -> None:
    """Warn before the work if there are too few targets, and how many texts are possible."""
    most = targets * per_target + pool
    if most < wanted:
        logger.warning(
            "%d texts near the boundary are wanted beside the pool's; at most %d can be found: %d places have a real "
            "text in reach and give up to %d texts each, and the pool has %d left; ask for fewer with n, or add to "
            "the pool",
            wanted,
            most,
            targets,
            per_target,
            pool,
        )


def save_writing_targets(goals: WritingTargets, folder: Path) -> None:
    """Write the targets, and the ids of the beginnings, into `folder`.

    The hashes of their texts are stored too, because two files of a pool may share ids.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {name: getattr(goals.outliers, name).contiguous() for name in ("features", "labels", "mahalanobis")}
    partial = folder / f"{FILE}.partial"
    ids, uids = [each.id for each in goals.beginnings], [text_uid(each.text) for each in goals.beginnings]
    begun = json.dumps({"ids": ids, "uids": uids, SEAL: OPEN}, allow_nan=False)
    save_sealed(partial, lambda _: save_file(content, partial, metadata={"beginnings": begun}))
    partial.replace(folder / FILE)


def load_writing_targets(folder: Path, job: SynthesisJob) -> WritingTargets | None:
    """Read what `save_writing_targets` wrote; None if there is no file.

    Raises:
        DataError: the file is damaged, or the pool lacks a text whose beginning was used.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            outliers = VirtualOutliers(*(file.get_tensor(name) for name in ("features", "labels", "mahalanobis")))
            begun = json.loads(file.metadata()["beginnings"])
        ids = begun["ids"] if isinstance(begun, dict) else begun
        # Files of before have no hashes of the texts.
        uids = begun.get("uids") if isinstance(begun, dict) else None
        keys = [(name, None) for name in ids] if uids is None else list(zip(ids, uids, strict=True))
        check_sealed(path)
    except (SafetensorError, KeyError, ValueError, RunError) as error:
        raise DataError(
            f"{path}: expected targets that a synthesis wrote, got: {error}; make the batch again"
        ) from error
    wanted, named = set(keys), set(ids)
    candidates = (example for example in job.data.pool if example.id in named) if named else ()
    found = {(each.id, None if uids is None else text_uid(each.text)): each for each in candidates}
    if missing := wanted - found.keys():
        raise DataError(f"{path}: {len(missing)} of {len(wanted)} texts that were begun are not in the pool any more")
    return WritingTargets(outliers, tuple(found[key] for key in keys), {})
