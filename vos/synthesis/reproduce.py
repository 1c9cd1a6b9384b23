"""Make a sample of texts again from their seeds, and compare what they were and how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vos.errors import VosError
from vos.generation.generate import make_texts
from vos.generation.reach import Outcome
from vos.synthesis.claims import Claim, read_claims
from vos.synthesis.making import load_text_generator
from vos.synthesis.verify import Material, Verification, VerificationSettings, check_claims, check_files


def verify(path: Path, material: Material, settings: VerificationSettings) -> Verification:
    """Check a file of texts from scratch.

    Args:
        path: a `near_boundary.jsonl` or a `made.jsonl`.
        material: see `Material`.
        settings: see `VerificationSettings`.

    Raises:
        ConfigError: the file is not there.
        DataError: it is damaged, or holds no text.
    """
    claims = read_claims(path)
    result = Verification()
    check_files(path, result)
    check_claims(claims, material, settings.tolerance, result)
    _remake([claim for claim in claims if claim.made], material, settings, result)
    return result


def _remake(made: Sequence[Claim], material: Material, settings: VerificationSettings, result: Verification) -> None:
    generation = material.job.settings.generation
    if not made:
        return
    if generation is None:
        result.not_remade["the settings of this synthesis name no language model"] = len(made)
        return
    try:
        text_generator = load_text_generator(material.job, generation, material.space)
    except VosError as error:
        result.not_remade[f"the language model cannot be had: {error}"] = len(made)
        return
    fingerprint = text_generator.language_model.fingerprint
    other = [claim for claim in made if claim.origin["language_model"] != fingerprint]
    for claim in other:
        result.compare(claim.id, "language_model", claim.origin["language_model"], fingerprint)
    served = sorted({claim.target for claim in made if claim.target is not None} & set(range(len(material.targets))))
    # Spread over the targets, so that all prompts have a chance to be among them.
    wanted = min(settings.sample, len(served))
    chosen = frozenset(served[i * len(served) // wanted] for i in range(wanted))
    for outcome in make_texts(text_generator, material.targets, only=chosen) if chosen else ():
        _compare(outcome, [claim for claim in made if claim.target == outcome.target], settings.tolerance, result)
    result.remade = len(chosen)
    left = sum(claim.target not in chosen for claim in made)
    if left:
        result.not_remade[f"only a sample is made again (verification.sample={settings.sample} targets)"] = left


def _compare(outcome: Outcome, claims: Sequence[Claim], tolerance: float, result: Verification) -> None:
    again = {each.example.text: each for each in (*outcome.accepted, outcome.nearest_miss) if each is not None}
    for claim in claims:
        candidate = again.get(claim.text)
        if candidate is None or candidate.provenance is None:
            ids = sorted(each.example.id for each in again.values())
            result.compare(claim.id, f"text made again from the seed of z{outcome.target:04d}", claim.id, ids)
            continue
        found = asdict(candidate.provenance)
        for name, stored in claim.origin.items():
            result.compare(claim.id, name, stored, found[name], tolerance)
