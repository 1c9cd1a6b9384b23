"""Verifies a file of texts: recomputes every stored number from the text, and a sample of made texts from their seeds.

The cache of features is not used, because the stored values may come from it. Each record is built again by the same
code, and the two are compared value by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos.errors import ConfigError, DataError
from vos.generation.rules import Novelty
from vos.labeling import BoundaryRecord, read_jsonl
from vos.mining.candidates import FOUND, Facts
from vos.mining.targets import Targets, TargetSpace
from vos.storage.hashes import file_hash
from vos.storage.json_files import read_json
from vos.storage.text_ids import made_id
from vos.synthesis.job import SynthesisJob, draw_targets, record_of
from vos.synthesis.journal import read_journal
from vos.synthesis.mismatches import Verification
from vos.synthesis.reproduce import reproduce
from vos.synthesis.writing_targets import FILE as WRITING_TARGETS
from vos.synthesis.writing_targets import load_writing_targets
from vos.types import Example

FOLLOWS = ("provenance_parents", "provenance_similarity")
"""Fields of the provenance of a made text that can be checked without making it again."""

OF_A_CANDIDATE = ("id", "margin", "probability_", "mahalanobis_", "target_distance", *FOLLOWS)
"""Prefixes of the values in a journal of made texts, from which the other values of a record follow."""


@dataclass(frozen=True)
class VerificationSettings:
    """How a file is verified.

    Attributes:
        tolerance: largest difference of two numbers that count as equal, absolute and relative, because batches of
            other lengths round differently.
        sample: number of targets whose made texts are made again from their seeds; 0: none.
    """

    tolerance: float = 0.0001
    sample: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or self.sample < 0:
            raise ConfigError(f"verification: expected tolerance in [0, 1) and sample >= 0, got {self}")


def verify(path: Path, job: SynthesisJob, settings: VerificationSettings) -> Verification:
    """Verify a file of texts.

    Args:
        path: a `near_boundary.jsonl` or a `made.jsonl`.
        job: job of the synthesis that wrote it; its featurizer must not read a cache.
        settings: see `VerificationSettings`.

    Raises:
        ConfigError: the file does not exist.
        DataError: the file is neither of these, is damaged, or has no texts.
    """
    check_is_there(path)
    _, space, targets = draw_targets(job)
    noted = _noted_files(path)
    has_goals = path.name not in noted or WRITING_TARGETS in noted  # otherwise they are of another synthesis
    goals = load_writing_targets(path.parent, job) if has_goals else None
    beginnings = goals.beginnings if goals is not None else ()
    targets = targets if goals is None else space.targets(goals.outliers)
    with path.open("rb") as file:
        is_journal = file.readline(20).startswith(b'{"identity"')
    records = _journal_records(path, job, targets) if is_journal else read_jsonl(path)
    if not records:
        raise DataError(f"verify={path}: expected at least one text, found none")
    made = [record for record in records if record.provenance.is_made]
    result = Verification(settings.tolerance, len(records), len(made))
    for name, stored in noted.items():
        beside = path.with_name(name)
        result.compare(name, "sha256", stored, file_hash(beside) if beside.exists() else None)
    for start in range(0, len(records), job.settings.chunk_size):
        part = records[start : start + job.settings.chunk_size]
        for record, again in zip(part, _computed_again(part, job, space, targets, beginnings), strict=True):
            found = again.as_row()
            for name, stored in _checkable(record, is_journal).items():
                result.compare(record.id, name, stored, found.get(name))
    reproduce(made, job, space, targets, beginnings, settings.sample, result)
    return result


def check_is_there(path: Path) -> None:
    """Raise ConfigError unless there is a file at `path`."""
    if not path.is_file():
        raise ConfigError(
            f"verify={path}: no such file; expected a near_boundary.jsonl or a made.jsonl, for example "
            "verify=RUN/near_boundary.jsonl"
        )


def _journal_records(path: Path, job: SynthesisJob, targets: Targets) -> list[BoundaryRecord]:
    kept = read_journal(path, check=False)
    made = [each for outcome in kept.outcomes.values() for each in (*outcome.accepted, outcome.nearest_miss)]
    made += [each.candidate for each in kept.counterfactuals.values()]
    try:
        return [record_of(each, targets, job) for each in made if each is not None]
    except (IndexError, ValueError) as error:
        raise DataError(f"{path}: expected texts made for {len(targets)} targets of this run, got: {error}") from error


def _noted_files(path: Path) -> dict[str, str]:
    """Hashes of the files of the synthesis that wrote this one, by name; empty if its report is not beside it."""
    report = path.with_name("synthesis.json")
    noted: dict[str, str] = read_json(report).get("files", {}) if report.exists() else {}
    return noted if path.name in noted else {}


def _checkable(record: BoundaryRecord, is_journal: bool) -> dict[str, Any]:
    """Stored values, by flat name, that follow from the text, the run and the settings."""
    row = record.as_row()
    del row["text"], row["schema_version"]
    for young in ("target_pair", "expected_error"):  # records of older versions lack it
        if row[young] is None:
            del row[young]
    # What a text covers depends on the whole pool, and is only reproduced by the same synthesis.
    row = {name: value for name, value in row.items() if not name.startswith("coverage_")}
    if record.provenance.is_made:
        row = {name: row[name] for name in row if not name.startswith("provenance_") or name in FOLLOWS}
    else:
        del row["id"], row["group"]  # given by the pool
    return {name: value for name, value in row.items() if not is_journal or name.startswith(OF_A_CANDIDATE)}


def _computed_again(
    records: Sequence[BoundaryRecord],
    job: SynthesisJob,
    space: TargetSpace,
    targets: Targets,
    beginnings: Sequence[Example],
) -> Iterator[BoundaryRecord]:
    """Recompute each record from its text, its stored target and, for a made text, its provenance."""
    texts, train = [record.text for record in records], job.data.train
    batch = job.featurizer.featurize(texts)
    distances = space.distances(space.coordinates(batch.features), targets.coordinates)
    begun = [*(example for example in train if example.label is not None), *beginnings]
    similarity = Novelty([example.text for example in begun]).similarity(texts)
    errors = job.expected_errors(batch).tolist()
    examples = [Example(made_id(each.text) if each.provenance.is_made else each.id, each.text) for each in records]
    facts = Facts.of(examples, batch, job.density, job.data.harmful)
    known = {example.id for example in begun}
    for row, record in enumerate(records):
        target = record.target_index
        if target is not None and target >= len(targets):
            target = None
        provenance = FOUND
        if record.provenance.is_made:
            parents = tuple(parent for parent in record.provenance.parents if parent in known)
            provenance = replace(record.provenance, similarity=float(similarity[row]), parents=parents)
        candidate = facts.candidate(row, target, None if target is None else float(distances[row, target]))
        # Random texts have no target, and those chosen for a target have one; other texts may or may not.
        chosen = {("target", True): "random", ("random", False): "target"}.get(
            (record.chosen, record.target is None), record.chosen
        )
        again = record_of(replace(candidate, provenance=provenance, chosen=chosen), targets, job)
        yield replace(again, expected_error=errors[row])
