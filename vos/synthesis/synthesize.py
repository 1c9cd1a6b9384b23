"""Makes a batch of near-boundary texts from a finished run."""

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
from vos.storage.hashes import file_hash
from vos.storage.json_files import write_json
from vos.storage.seeds import derive_seed
from vos.synthesis.acquire import acquire
from vos.synthesis.acquired import Acquired
from vos.synthesis.job import SynthesisJob, records_of
from vos.synthesis.writing_targets import FILE as WRITING_TARGETS

logger = logging.getLogger(__name__)

BATCH, SHEET, REPORT, JOURNAL = "near_boundary.jsonl", "near_boundary.csv", "synthesis.json", "made.jsonl"
"""Files of a synthesis: its records in two formats, its report, and the journal of made texts."""


@dataclass(frozen=True)
class SynthesisResult:
    """The result of a synthesis.

    Attributes:
        records: the batch, in random order.
        report: content of `synthesis.json`.
        paths: the written files.
    """

    records: tuple[BoundaryRecord, ...]
    report: dict[str, Any]
    paths: tuple[Path, ...]


def synthesize(job: SynthesisJob, output: Path) -> SynthesisResult:
    """Choose a batch near the boundary, and write it.

    Args:
        job: see `SynthesisJob`.
        output: directory of the files.

    Raises:
        RunError: the pool is empty, or no text passed the selection; the report is written nevertheless.
    """
    _remove_others(job, output)
    acquired = acquire(job, output / JOURNAL)
    chosen = acquired.selection.chosen
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "order of the batch"))
    order = torch.randperm(len(chosen), generator=generator).tolist()
    records = records_of([chosen[i] for i in order], acquired.targets, job)
    report = _report(job, acquired, records) | _radii(job, acquired)
    return _write(acquired, records, report, output)


def _remove_others(job: SynthesisJob, output: Path) -> None:
    """Remove what an interrupted synthesis with other settings left; a journal of these settings is continued."""
    (output / WRITING_TARGETS).unlink(missing_ok=True)
    if job.settings.generation is None:
        (output / JOURNAL).unlink(missing_ok=True)


def _report(job: SynthesisJob, acquired: Acquired, records: Sequence[BoundaryRecord]) -> dict[str, Any]:
    near = [record for record in records if record.chosen != "random"]
    made = {"made": dict(acquired.made)} if acquired.made else {}
    return {
        "asked": job.settings.selection.n,
        "written": len(records),
        "pool_scored": acquired.n_scored,
        **_by_side(job, acquired, near),
        "chosen": dict(sorted(Counter(record.chosen for record in records).items())),
        "near_boundary_by_source": dict(Counter(r.provenance.source for r in near)),
        "dropped": acquired.selection.dropped,
        **acquired.report,
        "expected_error": job.error_model.report,
        "warnings": _warnings(job, acquired),
        "unit": acquired.space.unit,
        "run_hash": job.run_hash,
        "seed": job.seed,
        **made,
    }


def _by_side(job: SynthesisJob, acquired: Acquired, near: Sequence[BoundaryRecord]) -> dict[str, dict[str, int]]:
    """Predictions for the pool and for the texts near the boundary; empty if no class is harmful."""
    if not job.data.harmful:
        return {}
    harmless, harmful = acquired.counts
    return {
        "pool_by_side": {"harmful": harmful, "harmless": harmless},
        "near_boundary_by_side": by_side(record.margin for record in near),
    }


def _radii(job: SynthesisJob, acquired: Acquired) -> dict[str, int]:
    """Number of targets beyond every held-out text, where the radius is extrapolated."""
    targets = acquired.targets
    owners = targets.labels.to(job.density.ready.device)
    beyond = job.density.is_extrapolated(targets.mahalanobis.to(owners.device), owners)
    return {"targets_extrapolated": int(beyond.sum())}


def _warnings(job: SynthesisJob, acquired: Acquired) -> list[str]:
    data, generation = job.data, job.settings.generation
    warnings = []
    if not data.harmful and job.settings.selection.max_side_share < 1:
        warnings.append("selection.max_side_share is off: no class is harmful, so there are no sides")
    if not data.harmful and generation is not None and generation.counterfactuals is not None:
        warnings.append("counterfactuals are off: no class is harmful, so there is no side to cross to")
    harmless, harmful = acquired.counts
    if data.harmful and acquired.n_scored and not (harmless and harmful):
        names = data.classes.harmful_names if harmful else data.classes.other_names
        warnings.append(
            f"all {acquired.n_scored} texts of the pool are predicted as {'harmful' if harmful else 'harmless'} "
            f"({', '.join(map(repr, names))}): nothing of the pool crosses the boundary; add texts of the other side "
            "to the pool, or let a language model write some with candidates=pool_then_lm"
        )
    return warnings


def _write(
    acquired: Acquired,
    records: tuple[BoundaryRecord, ...],
    report: Mapping[str, Any],
    output: Path,
) -> SynthesisResult:
    output.mkdir(parents=True, exist_ok=True)
    report_path = output / REPORT
    write_json(report_path, report)
    if report["pool_scored"] == 0:
        raise RunError("the pool is empty: expected at least one unlabelled text; name a pool with pool.path=FILE")
    if acquired.lacks_near_boundary:
        raise RunError(
            f"no text passed the selection: {report['pool_scored']} scored, none taken; dropped {report['dropped']}; "
            f"nothing but this report is written: {report_path}. Widen candidates.selection.max_margin (or, with "
            "acquisition=targets, max_distance), add to the pool, or try candidates=pool_then_lm"
        )
    paths = (output / BATCH, output / SHEET)
    if len(records) < report["asked"]:
        logger.warning(
            "%d texts asked for, %d found; see %s for the reasons", report["asked"], len(records), report_path
        )
    for warning in report["warnings"]:
        logger.warning("%s", warning)
    making = [output / JOURNAL, output / WRITING_TARGETS] if "made" in report else []
    partial = paths[0].with_name(f"{BATCH}.whole")
    write_jsonl(partial, records)
    write_csv(paths[1], records)
    hashes = {paths[0].name: file_hash(partial)}
    hashes |= {path.name: file_hash(path) for path in (paths[1], *making) if path.exists()}
    write_json(report_path, {**report, "files": hashes})
    partial.replace(paths[0])  # last: if the batch exists, all of its files do
    return SynthesisResult(records, dict(report), (*paths, report_path))
