"""Check a file of texts from scratch: every stored number again from the text alone, a sample of texts from its seeds.

Nothing is taken from the cache of features: what is checked may have come out of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.generation.acceptance import made_id
from vos.generation.rules import Novelty
from vos.labeling import text_uid
from vos.metrics.boundary import margin
from vos.mining.targets import Targets, TargetSpace
from vos.storage.hashes import file_hash
from vos.storage.json_files import read_json
from vos.synthesis.claims import Claim
from vos.synthesis.job import SynthesisJob, draw_targets, largest_distance
from vos.types import FeatureBatch


@dataclass(frozen=True)
class VerificationSettings:
    """How a file is checked.

    Attributes:
        tolerance: largest difference of two numbers that count as equal, absolute and relative: batches of other
            lengths round differently.
        sample: targets whose made texts are made again from their seeds; 0 makes none.
    """

    tolerance: float = 0.0001
    sample: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or self.sample < 0:
            raise ConfigError(f"verification: expected tolerance in [0, 1) and sample >= 0, got {self}")


class Mismatch(NamedTuple):
    """A stored value that is not what it should be.

    Attributes:
        id: of the text; of the file for what concerns it as a whole.
        field: name of the value.
        stored: in the file.
        found: recomputed. Never a text: texts are named by their ids.
    """

    id: str
    field: str
    stored: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.id}: {self.field} is {self.stored!r} in the file, {self.found!r} when computed again"


@dataclass
class Verification:
    """What was checked and what came of it.

    Attributes:
        texts: texts of the file.
        made: those of them that a language model made.
        values: stored values that were compared.
        mismatches: those that differ.
        remade: targets whose texts were made again.
        not_remade: why made texts were not made again, with their number.
    """

    texts: int = 0
    made: int = 0
    values: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    remade: int = 0
    not_remade: dict[str, int] = field(default_factory=dict)

    def compare(self, id: str, name: str, stored: Any, found: Any, tolerance: float = 0.0) -> None:
        """Count one value; numbers may differ by the tolerance, everything else must be equal."""
        self.values += 1
        numbers = [value for value in (stored, found) if isinstance(value, int | float)]
        if len(numbers) == 2 and all(math.isfinite(value) for value in numbers):
            same = abs(stored - found) <= tolerance * (1 + abs(found))
        else:
            same = stored == found
        if not same:
            self.mismatches.append(Mismatch(id, name, stored, found))


@dataclass(frozen=True)
class Material:
    """What a file is checked against.

    Attributes:
        job: of the synthesis that wrote it; its featurizer must not read a cache.
        space: of the job.
        targets: drawn anew.
    """

    job: SynthesisJob
    space: TargetSpace
    targets: Targets

    @classmethod
    def of(cls, job: SynthesisJob) -> Material:
        """Draw the targets of a job again."""
        _, space, targets = draw_targets(job)
        return cls(job, space, targets)


def check_claims(claims: Sequence[Claim], material: Material, tolerance: float, result: Verification) -> None:
    """Compute every stored value again from the texts and compare."""
    job = material.job
    for start in range(0, len(claims), job.settings.chunk_size):
        part = claims[start : start + job.settings.chunk_size]
        batch = job.featurizer.featurize([claim.text for claim in part])
        for claim, found in zip(part, _found(part, batch, material), strict=True):
            for name, stored in claim.stored.items():
                result.compare(claim.id, name, stored, found.get(name), tolerance)
    result.texts += len(claims)
    result.made += sum(claim.made for claim in claims)


def _found(claims: Sequence[Claim], batch: FeatureBatch, material: Material) -> Iterator[dict[str, Any]]:
    job, targets = material.job, material.targets
    margins = margin(batch.logits)
    probabilities = torch.softmax(batch.logits.double(), -1)
    mahalanobis = job.density.mahalanobis(batch.features)
    distances = material.space.distances(material.space.coordinates(batch.features), targets.coordinates)
    known = Novelty([example.text for example in job.train if example.label is not None])
    similarity = known.similarity([claim.text for claim in claims])
    model_hash = job.featurizer.model_hash
    train = {example.id for example in job.train}
    for row, claim in enumerate(claims):
        found: dict[str, Any] = {
            "uid": text_uid(claim.text),
            "id": made_id(claim.text),
            "margin": float(margins[row]),
            "similarity": float(similarity[row]) if claim.made else None,
            "parents": tuple(parent for parent in claim.stored["parents"] if parent in train),
            "chosen": "random" if claim.target is None else "target",
            "model_hash": model_hash,
            "run_hash": job.run_hash,
            "seed": job.seed,
            "lm_tokens": 0,
            "classifier_texts": 1,
        }
        if claim.target is not None and claim.target < len(targets):
            found |= _of_target(claim.target, distances[row], material, claim.made)
        for each, names in ((probabilities, "probability"), (mahalanobis, "mahalanobis")):
            values = each[row].tolist()
            found |= {f"{names}_{name}": value for name, value in zip(job.label_names, values, strict=True)}
            found |= {f"{names}[{i}]": value for i, value in enumerate(values)}
        yield found


def _of_target(target: int, distances: Tensor, material: Material, made: bool) -> dict[str, Any]:
    targets, job = material.targets, material.job
    return {
        "target_id": f"z{target:04d}",
        "target_margin": float(targets.margins[target]),
        "target_mahalanobis": float(targets.mahalanobis[target]),
        "target_class": job.label_names[int(targets.labels[target])],
        "target_distance": float(distances[target]),
        "max_distance": largest_distance(job.settings, made=made),
    }


def check_files(path: Path, result: Verification) -> None:
    """Compare the file, and its sheet, with the hashes that the synthesis noted down when it wrote them."""
    report = path.with_name("synthesis.json")
    noted = read_json(report).get("files", {}) if report.exists() else {}
    if path.name in noted:
        for name, stored in noted.items():
            file = path.with_name(name)
            result.compare(name, "sha256", stored, file_hash(file) if file.exists() else None)
