"""What people are shown, and what is kept beside it: a versioned record with stable ids."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class BoundaryRecord:
    """One text of a batch, with the evidence for its choice.

    Attributes:
        uid: see `text_uid`.
        id: the text's id where it came from.
        text: the text.
        source: "pool" for texts of the unlabelled pool.
        chosen: why: "target" (near a virtual outlier) or "random" (the unbiased share).
        margin: logit units; for two classes logit_harmful - logit_harmless.
        probability: softmax by class name.
        mahalanobis: squared distance to each class mean, by class name.
        target_id: the virtual outlier that the text answers, or None.
        target_margin: the margin asked for, or None.
        target_mahalanobis: the target's own squared distance to the class it was drawn from, or None.
        target_distance: D between text and target, in units of a real text to its 10th neighbour, or None.
        model_hash: of the classifier that gave these numbers.
        run_hash: of the run's resolved configuration and data.
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
    schema_version: int = SCHEMA_VERSION

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, fields in the order of the class."""
        return asdict(self)
