"""From a finished run to a batch of near-boundary texts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vos.errors import RunError
from vos.labeling import BoundaryRecord, text_uid, write_csv, write_jsonl
from vos.mining.retrieve import Candidate, Retrieval
from vos.mining.select import Selection, select
from vos.mining.targets import Targets, TargetSpace
from vos.storage.hashes import file_hash
from vos.storage.json_files import write_json
from vos.synthesis.job import SynthesisJob, draw_targets, largest_distance, search_pool
from vos.synthesis.making import add_made_texts

logger = logging.getLogger(__name__)

DRAWN_ALREADY = {"near-duplicate in batch", "features of another in batch"}
"""Reasons of the selection against a text that stands in the batch in another form."""


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


def synthesize(job: SynthesisJob) -> SynthesisResult:
    """Draw targets near the boundary, find pool texts that answer them, choose a batch, write it.

    Raises:
        RunError: the pool is empty, or no text passed the selection; a report is written all the same.
    """
    generator, space, targets = draw_targets(job)
    found = search_pool(job, space, targets, generator)
    made: dict[str, Any] | None = None
    if job.settings.generation is not None:
        found, made = add_made_texts(job, job.settings.generation, space, targets, found)
    known = {example.id: example.text for example in (*job.train, *job.known)}
    chosen = select(found, known, job.settings.selection, lambda texts: job.featurizer.featurize(texts).features)
    order = torch.randperm(len(chosen.chosen), generator=generator).tolist()
    model_hash = job.featurizer.model_hash
    records = tuple(_record(chosen.chosen[i], targets, job, model_hash) for i in order)
    report = _report(job, space, found, chosen, records)
    if made is not None:
        report["made"] = made
    return _write(job, records, report)


def _record(candidate: Candidate, targets: Targets, job: SynthesisJob, model_hash: str) -> BoundaryRecord:
    target, provenance = candidate.target, candidate.provenance
    how: dict[str, Any] = {"seed": job.seed, "classifier_texts": 1}
    if provenance is not None:
        how = asdict(provenance)
        how["language_model_hash"] = how.pop("language_model")
    if target is not None:
        how["target_class"] = job.label_names[int(targets.labels[target])]
        how["max_distance"] = largest_distance(job.settings, made=provenance is not None)
    return BoundaryRecord(
        uid=text_uid(candidate.example.text),
        id=candidate.example.id,
        text=candidate.example.text,
        **{"source": "pool", **how},
        chosen="random" if target is None else "target",
        margin=candidate.margin,
        probability=dict(zip(job.label_names, candidate.probability, strict=True)),
        mahalanobis=dict(zip(job.label_names, candidate.mahalanobis, strict=True)),
        target_id=None if target is None else f"z{target:04d}",
        target_margin=None if target is None else float(targets.margins[target]),
        target_mahalanobis=None if target is None else float(targets.mahalanobis[target]),
        target_distance=candidate.distance,
        model_hash=model_hash,
        run_hash=job.run_hash,
    )


def _report(
    job: SynthesisJob, space: TargetSpace, found: Retrieval, chosen: Selection, records: Sequence[BoundaryRecord]
) -> dict[str, Any]:
    near = [record for record in records if record.chosen == "target"]
    reached = sorted(record.target_distance for record in near if record.target_distance is not None)
    return {
        "asked": job.settings.selection.n,
        "written": len(records),
        "pool_scored": found.n_scored,
        "index": {"kind": job.settings.index, **found.index},
        "pool_below_and_above_margin_0": list(found.margin_counts),
        "chosen_near_boundary": len(near),
        "chosen_random": len(records) - len(near),
        "near_boundary_by_source": dict(Counter(r.source for r in near)),
        "near_boundary_by_side": dict(Counter("above" if r.margin >= 0 else "below" for r in near)),
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


def _warnings(job: SynthesisJob, found: Retrieval) -> list[str]:
    below, above = found.margin_counts
    if found.n_scored and not (below and above):
        side, name = ("at or above", job.label_names[-1]) if above else ("below", job.label_names[0])
        return [
            f"all {found.n_scored} texts of the pool lie {side} margin 0, on the side of {name!r}: nothing of the pool "
            "crosses the boundary; add texts of the other side to the pool, or let a language model write some with "
            "candidates=pool_then_lm"
        ]
    return []


def _write(job: SynthesisJob, records: tuple[BoundaryRecord, ...], report: Mapping[str, Any]) -> SynthesisResult:
    job.output.mkdir(parents=True, exist_ok=True)
    report_path = job.output / "synthesis.json"
    write_json(report_path, report)
    if report["pool_scored"] == 0:
        raise RunError("the pool is empty: expected at least one unlabelled text; name a pool with pool.path=FILE")
    wanted = job.settings.selection.n_random < job.settings.selection.n
    if wanted and not report["chosen_near_boundary"] and not DRAWN_ALREADY & report["dropped"].keys():
        # A batch of random picks alone would look like success, unless it holds the texts near the boundary itself.
        raise RunError(
            f"no text passed the selection: {report['pool_scored']} scored, none near any of {report['targets_drawn']} "
            f"targets; dropped {report['dropped']}; nothing but this report is written: {report_path}. Widen "
            "candidates.selection.max_distance or max_margin, add to the pool, or try candidates=pool_then_lm"
        )
    paths = (job.output / "near_boundary.jsonl", job.output / "near_boundary.csv")
    write_jsonl(paths[0], records)
    write_csv(paths[1], records)
    if len(records) < report["asked"]:
        logger.warning(
            "%d texts asked for, %d found; see %s for the reasons", report["asked"], len(records), report_path
        )
    for warning in report["warnings"]:
        logger.warning("%s", warning)
    journal = [job.output / "made.jsonl"] if "made" in report else []
    written = {path.name: file_hash(path) for path in (*paths, *journal) if path.exists()}
    write_json(report_path, {**report, "files": written})
    return SynthesisResult(records, dict(report), (*paths, report_path))
