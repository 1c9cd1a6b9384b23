"""Made-up records and answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vos.labeling import BoundaryRecord, Label, exact_hash, text_uid

NOON = datetime.now(UTC).replace(microsecond=0)

EVIDENCE = {
    "source": "seeded",
    "target_class": "harmful",
    "max_distance": 0.75,
    "parents": ("parent-89", "=p,2"),
    "prompt_hash": "prompt-0123",
    "language_model_hash": "lm-4567",
    "seed": 31415926,
    "lm_tokens": 1234,
    "classifier_texts": 56,
    "similarity": 0.4321,
    "words_changed": 3,
    "parent_margin": -2.5,
}


def make_record(text: str, **values) -> BoundaryRecord:
    given = {
        "uid": text_uid(text),
        "id": "p",
        "text": text,
        "source": "pool",
        "chosen": "target",
        "margin": 0.1,
        "probability": {"harmless": 0.45, "harmful": 0.55},
        "mahalanobis": {"harmless": 9.0, "harmful": 8.0},
        "target_id": "z0001",
        "target_margin": 0.0,
        "target_mahalanobis": 10.0,
        "target_distance": 1.5,
        "model_hash": "m",
        "run_hash": "r",
        "seed": 5,
    }
    return BoundaryRecord(**(given | values))


def make_label(text: str, answer: str = "harmful", who: str = "ann", minute: int = 0, **values) -> Label:
    given = {
        "uid": text_uid(text),
        "annotator": who,
        "label": answer,
        "labelled_at": (NOON + timedelta(minutes=minute)).isoformat(),
        "batch_id": "b0",
        "text_hash": exact_hash(text),
    }
    return Label(**(given | values))
