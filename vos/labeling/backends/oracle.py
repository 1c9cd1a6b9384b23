"""A declared oracle: stored answers instead of people's, marked as such wherever they appear."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vos.errors import ConfigError
from vos.labeling.answers import LabelRow
from vos.labeling.label import Label, answer_of
from vos.labeling.ledger import Ledger
from vos.labeling.state import adjudicated, held_answers
from vos.storage.run_directory import RunDirectory, run_hash

logger = logging.getLogger(__name__)

ORACLE = "oracle"
"""Annotator and tool of its answers, which is not a person."""


@runtime_checkable
class StoredAnswers(Protocol):
    """Data with stored answers for their pool, such as `vos.data.EmbeddedData`."""

    def stored_answers(self) -> Mapping[str, str]:
        """The class of every text of the pool, by its `text_uid`."""


@dataclass(frozen=True)
class OracleImporter:
    """`labels=oracle`: the stored answers of the data, for research and demonstrations.

    Attributes:
        data: data with stored answers, see `StoredAnswers`.
        run: the run whose batches are answered; None: every batch of the ledger.

    Raises:
        ConfigError: the data have no stored answers.
    """

    data: StoredAnswers
    run: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.data, StoredAnswers):
            raise ConfigError(
                "labels=oracle: expected data whose answers are stored (data=embedded), found "
                f"{type(self.data).__name__}; people's answers come with labels=files labels.path=FILE"
            )

    def rows(self, ledger: Ledger) -> list[LabelRow]:
        """See `oracle_rows`."""
        run = None if self.run is None else run_hash(RunDirectory(self.run))
        return oracle_rows(ledger, self.data.stored_answers(), run)


def oracle_rows(ledger: Ledger, answers: Mapping[str, str], run: str | None = None) -> list[LabelRow]:
    """Answers to every asked text without an answer whose class is stored, in the order of proposal.

    Gold texts are left out, because they measure people. Texts without a stored class, such as those written by a
    language model, are left out too, with a message.

    Args:
        ledger: ledger of the project.
        answers: uid to class name.
        run: hash of the run whose records count, see `run_hash`; None: all runs.
    """
    asked = {event.uid: event.batch for event in ledger.asked()}
    done = {uid for uid, _, _ in held_answers(ledger)} | adjudicated(ledger).keys() | ledger.gold().keys()
    items = ledger.items([uid for uid in asked if uid not in done])
    open_ = [uid for uid, item in items.items() if run in (None, item.payload.get("run_hash"))]
    known = [uid for uid in open_ if uid in answers]
    if strange := len(open_) - len(known):
        logger.warning("the oracle has no stored answer for %d texts of the batch: they wait for people", strange)
    return [
        LabelRow(ORACLE, line, Label(uid, ORACLE, answer_of(answers[uid]), tool=ORACLE, batch_id=str(asked[uid] or "")))
        for line, uid in enumerate(known, 1)
    ]


def answered_by_oracle(ledger: Ledger) -> set[str]:
    """Texts with a valid answer of a declared oracle."""
    return {label.uid for label in held_answers(ledger).values() if label.tool == ORACLE}
