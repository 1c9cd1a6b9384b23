"""What people are shown, and what is kept beside it: a versioned record with stable ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vos.errors import DataError

SCHEMA_VERSION = 2
"""2 added the class of the target, the distance asked for and how the text came to be; 1 had neither."""

READABLE_VERSIONS = (1, SCHEMA_VERSION)


@dataclass(frozen=True)
class BoundaryRecord:
    """One text of a batch, with the evidence for its choice.

    Attributes:
        uid: see `text_uid`.
        id: the text's id where it came from.
        text: the text.
        source: "pool" for texts of the unlabelled pool; made texts: "lm" (plain sample), "steered", "seeded" (from a
            real text) or "edited".
        chosen: why: "target" (near a virtual outlier) or "random" (the unbiased share).
        margin: logit units; for two classes logit_harmful - logit_harmless.
        probability: softmax by class name.
        mahalanobis: squared distance to each class mean, by class name.
        target_id: the virtual outlier that the text answers, or None.
        target_margin: the margin asked for, or None.
        target_mahalanobis: the target's own squared distance to the class it was drawn from, or None; the text's is
            in `mahalanobis`.
        target_distance: D between text and target, in units of a real text to its 10th neighbour, or None.
        model_hash: of the classifier that gave these numbers.
        run_hash: of the run's resolved configuration and data.
        target_class: the class that the target was drawn from, or None.
        max_distance: largest D that an answer could have, or None for the random share.
        parents: ids of the real texts that a made text descends from: the examples of its prompt, then the start of its
            chain.
        prompt_hash: of the prompt of a made text, or None.
        language_model_hash: of the language model that made the text, or None.
        seed: of the random numbers that made the text; for texts of the pool, of the synthesis. None when unknown.
        lm_tokens: tokens sampled for the target before the text was there.
        classifier_texts: texts and prefixes that the classifier read for the target before the text was there; a text
            of the pool costs the one reading that found it. None when unknown.
        similarity: edit similarity of a made text to the nearest known text, or None.
        words_changed: words inserted, deleted or replaced in the parent; edits only.
        parent_margin: of the parent, logit units; edits only.
        schema_version: version of this record.
    """

    uid: str
    id: str
    text: str
    source: str
    chosen: str
    margin: float
    probability: dict[str, float]
    mahalanobis: dict[str, float]
    target_id: str | None
    target_margin: float | None
    target_mahalanobis: float | None
    target_distance: float | None
    model_hash: str
    run_hash: str
    target_class: str | None = None
    max_distance: float | None = None
    parents: tuple[str, ...] = ()
    prompt_hash: str | None = None
    language_model_hash: str | None = None
    seed: int | None = None
    lm_tokens: int = 0
    classifier_texts: int | None = None
    similarity: float | None = None
    words_changed: int | None = None
    parent_margin: float | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def payload(self) -> dict[str, Any]:
        """What a ledger keeps beside the text."""
        return self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, fields in the order of the class."""
        return asdict(self) | {"parents": list(self.parents)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BoundaryRecord:
        """The record that gave `as_dict`, of this schema version or an older one, whose unknown facts stay unknown.

        Raises:
            DataError: of another version, or not the fields of its version.
        """
        version = values.get("schema_version")
        if version not in READABLE_VERSIONS:
            raise DataError(f"expected schema_version {SCHEMA_VERSION} or older, got {version!r}")
        known = {field.name for field in fields(cls)}
        expected = known - ADDED_IN_2 if version == 1 else known
        if values.keys() != expected:
            raise DataError(
                f"expected the fields of schema version {version}, lacking {sorted(expected - values.keys())}, "
                f"too many {sorted(values.keys() - expected)}"
            )
        parents = tuple(values.get("parents", ()))
        return cls(**dict(values) | {"parents": parents, "schema_version": SCHEMA_VERSION})


ADDED_IN_2 = frozenset(
    {
        "target_class",
        "max_distance",
        "parents",
        "prompt_hash",
        "language_model_hash",
        "seed",
        "lm_tokens",
        "classifier_texts",
        "similarity",
        "words_changed",
        "parent_margin",
    }
)
