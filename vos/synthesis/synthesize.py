"""From a finished run to a batch of near-boundary texts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vos.errors import RunError
from vos.generation.report import by_side
from vos.labeling import BoundaryRecord, write_csv, write_jsonl
from vos.mining.retrieve import Retrieval
from vos.mining.select import Selection, lacks_near_boundary
from vos.mining.targets import Targets, TargetSpace
from vos.storage.hashes import file_hash
from vos.storage.json_files import write_json
from vos.synthesis.job import SynthesisJob, choose, draw_targets, record_of, search_pool
from vos.synthesis.made_texts import add_made_texts

logger = logging.getLogger(__name__)

BATCH, SHEET, REPORT, JOURNAL = "near_boundary.jsonl", "near_boundary.csv", "synthesis.json", "made.jsonl"
"""Files of a synthesis: its records twice, what came of it, and what a language model has made so far."""


@dataclass(frozen=True)
class SynthesisResult:
    """What was written.

    Attributes:
        records: the batch, in a random order that tells nothing.
        report: counts by reason, targets hit and missed, content of `synthesis.json`.
        paths: files written.
    """

    records: tuple[BoundaryRecord, ...]
    report: dict[str, Any]
    paths: tuple[Path, ...]


def synthesize(job: SynthesisJob, output: Path) -> SynthesisResult:
    """Draw targets near the boundary, find pool texts that answer them, choose a batch, write it.

    Args:
        job: see `SynthesisJob`.
        output: directory of the files.

    Raises:
        RunError: the pool is empty, or no text passed the selection; a report is written all the same.
    """
    generator, space, targets = draw_targets(job)
    found = search_pool(job, space, targets, generator)
    made: dict[str, Any] = {}
    if job.settings.generation is not None:
        found, counts = add_made_texts(job, job.settings.generation, space, targets, found, output / JOURNAL)
        made = {"made": counts}
    selection = choose(job, found)
    order = torch.randperm(len(selection.chosen), generator=generator).tolist()
    records = tuple(record_of(selection.chosen[i], targets, job) for i in order)
    report = _report(job, space, found, selection, records) | _radii(job, targets) | made
    return _write(job, selection, records, report, output)


def _report(
    job: SynthesisJob, space: TargetSpace, found: Retrieval, chosen: Selection, records: Sequence[BoundaryRecord]
) -> dict[str, Any]:
    near = [record for record in records if record.chosen == "target"]
    distances = [record.target.distance for record in near if record.target is not None]
    reached = sorted(distance for distance in distances if distance is not None)
    return {
        "asked": job.settings.selection.n,
        "written": len(records),
        "pool_scored": found.n_scored,
        "index": {"kind": job.settings.index, **found.index},
        **_by_side(job, found, near),
        "chosen_near_boundary": len(near),
        "chosen_random": len(records) - len(near),
        "near_boundary_by_source": dict(Counter(r.provenance.source for r in near)),
        "dropped": chosen.dropped,
        "targets_drawn": len(found.by_target),
        "targets_hit": len(chosen.targets_hit),
        "targets_missed": len(chosen.targets_missed),
        "target_distance_median": reached[len(reached) // 2] if reached else None,
        "warnings": _warnings(job, found),
        "unit": space.unit,
        "run_hash": job.run_hash,
        "seed": job.seed,
    }


def _by_side(job: SynthesisJob, found: Retrieval, near: Sequence[BoundaryRecord]) -> dict[str, dict[str, int]]:
    """Predictions for the pool and for the texts near the boundary; nothing where no class is harmful."""
    if not job.data.harmful:
        return {}
    harmless, harmful = found.margin_counts
    return {
        "pool_by_side": {"harmful": harmful, "harmless": harmless},
        "near_boundary_by_side": by_side(record.margin for record in near),
    }


def _radii(job: SynthesisJob, targets: Targets) -> dict[str, int]:
    """How many targets lie beyond every text that was held out, where the radius is extrapolated."""
    owners = targets.labels.to(job.density.ready.device)
    beyond = job.density.is_extrapolated(targets.mahalanobis.to(owners.device), owners)
    return {"targets_extrapolated": int(beyond.sum())}


def _warnings(job: SynthesisJob, found: Retrieval) -> list[str]:
    data, generation = job.data, job.settings.generation
    warnings = []
    if not data.harmful and job.settings.selection.max_side_share < 1:
        warnings.append("selection.max_side_share is off: no class is harmful, so there are no sides")
    if not data.harmful and generation is not None and generation.counterfactuals is not None:
        warnings.append("counterfactuals are off: no class is harmful, so there is no side to cross to")
    harmless, harmful = found.margin_counts
    if data.harmful and found.n_scored and not (harmless and harmful):
        names = data.classes.harmful_names if harmful else data.classes.other_names
        warnings.append(
            f"all {found.n_scored} texts of the pool are predicted as {'harmful' if harmful else 'harmless'} "
            f"({', '.join(map(repr, names))}): nothing of the pool crosses the boundary; add texts of the other side "
            "to the pool, or let a language model write some with candidates=pool_then_lm"
        )
    return warnings


def _write(
    job: SynthesisJob,
    selection: Selection,
    records: tuple[BoundaryRecord, ...],
    report: Mapping[str, Any],
    output: Path,
) -> SynthesisResult:
    output.mkdir(parents=True, exist_ok=True)
    report_path = output / REPORT
    write_json(report_path, report)
    if report["pool_scored"] == 0:
        raise RunError("the pool is empty: expected at least one unlabelled text; name a pool with pool.path=FILE")
    if lacks_near_boundary(selection, job.settings.selection):
        raise RunError(
            f"no text passed the selection: {report['pool_scored']} scored, none near any of {report['targets_drawn']} "
            f"targets; dropped {report['dropped']}; nothing but this report is written: {report_path}. Widen "
            "candidates.selection.max_distance or max_margin, add to the pool, or try candidates=pool_then_lm"
        )
    paths = (output / BATCH, output / SHEET)
    write_jsonl(paths[0], records)
    write_csv(paths[1], records)
    if len(records) < report["asked"]:
        logger.warning(
            "%d texts asked for, %d found; see %s for the reasons", report["asked"], len(records), report_path
        )
    for warning in report["warnings"]:
        logger.warning("%s", warning)
    journal = [output / JOURNAL] if "made" in report else []
    written = {path.name: file_hash(path) for path in (*paths, *journal) if path.exists()}
    write_json(report_path, {**report, "files": written})
    return SynthesisResult(records, dict(report), (*paths, report_path))
