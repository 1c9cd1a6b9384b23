"""What a file of texts says of each of them, whichever of the two kinds of file it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from vos.errors import ConfigError, DataError
from vos.labeling import BoundaryRecord, read_jsonl
from vos.mining.retrieve import Candidate
from vos.synthesis.journal import read_journal


class Claim(NamedTuple):
    """What a file says of one text, whichever file it is.

    Attributes:
        id: of the text.
        text: the text.
        target: index of its target, or None.
        made: whether a language model made it.
        stored: value by name, to be found from the text.
        origin: value by name, to be found only when the text is made again.
    """

    id: str
    text: str
    target: int | None
    made: bool
    stored: dict[str, Any]
    origin: dict[str, Any]


def read_claims(path: Path) -> list[Claim]:
    """Claims of a `near_boundary.jsonl` or a `made.jsonl`.

    Raises:
        ConfigError: the file is not there.
        DataError: it is neither, is damaged, or holds no text.
    """
    if not path.is_file():
        raise ConfigError(f"verify={path}: no such file; expected a near_boundary.jsonl or a made.jsonl")
    with path.open("rb") as file:
        journal = file.readline(20).startswith(b'{"identity"')
    if journal:
        kept = read_journal(path)
        texts = [each for outcome in kept.outcomes.values() for each in (*outcome.accepted, outcome.nearest_miss)]
        texts += [each.candidate for each in kept.counterfactuals.values()]
        claims = [_claim_of_candidate(each) for each in texts if each is not None]
    else:
        claims = [_claim_of_record(record) for record in read_jsonl(path)]
    if not claims:
        raise DataError(f"verify={path}: expected at least one text, found none")
    return claims


RECOMPUTED = (
    "uid", "chosen", "margin", "target_id", "target_margin", "target_mahalanobis", "target_class", "target_distance",
    "max_distance", "similarity", "model_hash", "run_hash", "parents",
)  # fmt: skip
ORIGIN = (
    "source", "parents", "prompt_hash", "seed", "lm_tokens", "classifier_texts", "words_changed", "parent_margin",
)  # fmt: skip


def _claim_of_record(record: BoundaryRecord) -> Claim:
    target = record.target_id
    number = int(target[1:]) if target and target[1:].isdigit() else None
    made = record.source != "pool"
    own = ["id"] if made else ["seed", "lm_tokens", "classifier_texts"]
    stored = {name: getattr(record, name) for name in (*RECOMPUTED, *own)}
    stored |= {f"probability_{name}": value for name, value in record.probability.items()}
    stored |= {f"mahalanobis_{name}": value for name, value in record.mahalanobis.items()}
    origin = {name: getattr(record, name) for name in ORIGIN}
    origin["language_model"] = record.language_model_hash
    return Claim(record.id, record.text, number, made, stored, origin)


def _claim_of_candidate(candidate: Candidate) -> Claim:
    stored: dict[str, Any] = {
        "id": candidate.example.id,
        "margin": candidate.margin,
        "target_distance": candidate.distance,
    }
    stored |= {f"probability[{i}]": value for i, value in enumerate(candidate.probability)}
    stored |= {f"mahalanobis[{i}]": value for i, value in enumerate(candidate.mahalanobis)}
    origin = {} if candidate.provenance is None else asdict(candidate.provenance)
    if origin:
        stored |= {"similarity": origin.pop("similarity"), "parents": origin["parents"]}
    return Claim(candidate.example.id, candidate.example.text, candidate.target, bool(origin), stored, origin)
