"""Make a sample of texts again from their seeds, and compare what they were and how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from vos.errors import VosError
from vos.generation.generate import make_texts
from vos.generation.reach import Outcome
from vos.labeling import BoundaryRecord
from vos.mining.targets import Targets, TargetSpace
from vos.synthesis.job import SynthesisJob, making_kit
from vos.synthesis.mismatches import Verification


def reproduce(
    made: Sequence[BoundaryRecord],
    job: SynthesisJob,
    space: TargetSpace,
    targets: Targets,
    sample: int,
    result: Verification,
) -> None:
    """Make the texts of a sample of targets again; what is not made again is counted with its reason.

    Args:
        made: texts that a language model made.
        job: of the synthesis.
        space: of the job.
        targets: drawn anew for the job.
        sample: targets wanted.
        result: takes what is found.
    """
    if not made:
        return
    if job.settings.making is None:
        result.not_reproduced["the settings of this synthesis name no language model"] = len(made)
        return
    try:
        kit = making_kit(job, job.settings.making, space)
    except VosError as error:
        result.not_reproduced[f"the language model cannot be had: {error}"] = len(made)
        return
    for record in made:
        stored, found = record.provenance.language_model, kit.language_model.fingerprint
        if stored != found:
            result.compare(record.id, "provenance_language_model", stored, found)
    answered = sorted({n for record in made if (n := record.target_index) is not None} & set(range(len(targets))))
    # Spread over the targets, so that all prompts have a chance to be among them.
    wanted = min(sample, len(answered))
    chosen = frozenset(answered[i * len(answered) // wanted] for i in range(wanted))
    for outcome in make_texts(kit, targets, only=chosen) if chosen else ():
        _compare(outcome, [record for record in made if record.target_index == outcome.target], result)
    result.reproduced = len(chosen)
    left = sum(record.target_index not in chosen for record in made)
    if left:
        result.not_reproduced[f"only a sample is made again (verification.sample={sample} targets)"] = left


def _compare(outcome: Outcome, records: Sequence[BoundaryRecord], result: Verification) -> None:
    again = {each.example.text: each for each in (*outcome.answers, outcome.nearest_miss) if each is not None}
    for record in records:
        answer = again.get(record.text)
        if answer is None:
            ids = sorted(each.example.id for each in again.values())
            result.compare(record.id, f"text made again from the seed of z{outcome.target:04d}", record.id, ids)
            continue
        found = asdict(answer.provenance)
        for name, stored in asdict(record.provenance).items():
            result.compare(record.id, f"provenance_{name}", stored, found[name])
