"""Synthetic records and answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vos.labeling import BoundaryRecord, Label, RecordTarget, exact_hash, text_uid
from vos.storage.provenance import Provenance

NOON = datetime.now(UTC).replace(microsecond=0)

EVIDENCE = {
    "target": RecordTarget("z0001", "harmful", max_distance=0.75),
    "provenance": Provenance(
        "prefix_conditioned",
        ("parent-89", "=p,2"),
        "prompt-0123",
        "lm-4567",
        seed=31415926,
        lm_tokens=1234,
        classifier_texts=56,
        similarity=0.4321,
        words_changed=3,
        parent_margin=-2.5,
    ),
}


def make_record(text: str, source: str = "pool", **values) -> BoundaryRecord:
    given = {
        "uid": text_uid(text),
        "id": "p",
        "text": text,
        "chosen": "target",
        "margin": 0.1,
        "probability": {"harmless": 0.45, "harmful": 0.55},
        "mahalanobis": {"harmless": 9.0, "harmful": 8.0},
        "target": RecordTarget("z0001", "harmful", 0.0, 10.0, 1.5),
        "provenance": Provenance(source, seed=5),
        "model_hash": "m",
        "run_hash": "r",
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
