"""Small batches, answers and ledgers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.labeling import examples
from tests.labeling.examples import make_label, make_record
from vos.labeling import Ledger, text_uid


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    """Answers are dated by the start of their test: the import doubts a clock that is minutes off."""
    monkeypatch.setattr(examples, "NOON", datetime.now(UTC).replace(microsecond=0))


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
