"""Small batches, answers and ledgers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vos.labeling import BoundaryRecord, Label, Ledger, exact_hash, text_uid

NOON = datetime.now(UTC).replace(microsecond=0)


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


@pytest.fixture
def texts() -> list[str]:
    return [f"the ladder slipped on day {i}" for i in range(8)]


@pytest.fixture
def ledger(tmp_path, texts):
    """Eight texts, proposed and exported in batch b0."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(make_record(text) for text in texts)
        ledger.export("b0", "page", [text_uid(text) for text in texts])
        yield ledger


@pytest.fixture
def record_of():
    return make_record


@pytest.fixture
def label_of():
    return make_label
