"""Makes a sample of texts again from their seeds, and compares the texts and their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from vos.errors import VosError
from vos.generation.generate import make_texts
from vos.generation.reach import Outcome
from vos.labeling import BoundaryRecord
from vos.mining.targets import Targets, TargetSpace
from vos.synthesis.job import SynthesisJob
from vos.synthesis.made_texts import load_text_generator
from vos.synthesis.mismatches import Verification
from vos.types import Example


def reproduce(
    made: Sequence[BoundaryRecord],
    job: SynthesisJob,
    space: TargetSpace,
    targets: Targets,
    beginnings: Sequence[Example],
    sample: int,
    result: Verification,
) -> None:
    """Make the texts of a sample of targets again; the others are counted by reason.

    Args:
        made: texts that a language model wrote.
        job: job of the synthesis.
        space: target space of the job.
        targets: targets of the job.
        beginnings: texts of the pool whose beginnings were continued.
        sample: number of targets.
        result: receives the findings.
    """
    if not made:
        return
    generation = job.settings.generation
    if generation is None:
        result.not_reproduced["the settings of this synthesis name no language model"] = len(made)
        return
    try:
        text_generator = load_text_generator(job, generation, space, beginnings)
    except VosError as error:
        result.not_reproduced[f"the language model cannot be had: {error}"] = len(made)
        return
    fingerprint = text_generator.language_model.fingerprint
    for record in made:
        if record.provenance.language_model != fingerprint:
            result.compare(record.id, "provenance_language_model", record.provenance.language_model, fingerprint)
    served = sorted({n for record in made if (n := record.target_index) is not None} & set(range(len(targets))))
    # Spread evenly over the targets, so that all prompts may occur.
    wanted = min(sample, len(served))
    chosen = frozenset(served[i * len(served) // wanted] for i in range(wanted))
    for outcome in make_texts(text_generator, targets, only=chosen) if chosen else ():
        _compare(outcome, [record for record in made if record.target_index == outcome.target], result)
    result.reproduced = len(chosen)
    left = sum(record.target_index not in chosen for record in made)
    if left:
        result.not_reproduced[f"only a sample is made again (verification.sample={sample} targets)"] = left


def _compare(outcome: Outcome, records: Sequence[BoundaryRecord], result: Verification) -> None:
    again = {each.example.text: each for each in (*outcome.accepted, outcome.nearest_miss) if each is not None}
    for record in records:
        candidate = again.get(record.text)
        if candidate is None:
            ids = sorted(each.example.id for each in again.values())
            result.compare(record.id, f"text made again from the seed of z{outcome.target:04d}", record.id, ids)
            continue
        found = asdict(candidate.provenance)
        for name, stored in asdict(record.provenance).items():
            result.compare(record.id, f"provenance_{name}", stored, found[name])
