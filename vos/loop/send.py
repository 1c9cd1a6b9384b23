"""Sends a batch to people: claims its texts in the ledger, assigns them by the plan, exports them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vos.errors import ConfigError
from vos.harmful import Classes
from vos.labeling import BoundaryRecord, Ledger
from vos.labeling.assignment import batch_name, mixed_up, people_of
from vos.labeling.backends import Exporter
from vos.labeling.backends.page import IMPORT, Neighbour, PageBatch
from vos.labeling.delivery import PENDING
from vos.labeling.instructions import Instructions
from vos.labeling.label import answer_of
from vos.loop.gold import NO_GOLD, Gold

logger = logging.getLogger(__name__)

NO_INSTRUCTIONS = Instructions("")
"""Instructions for data without their own question: the question names the classes."""


@dataclass(frozen=True)
class SentBatch:
    """A sent batch.

    Attributes:
        batch_id: id in the ledger.
        asked: texts that people are asked to label now, including gold texts.
        gold: number of gold texts.
        held_back: uid to the reason why a text is not sent again.
        places: files or URLs.
    """

    batch_id: str
    asked: int
    gold: int
    held_back: Mapping[str, str]
    places: Sequence[str]


def export_batch(
    ledger: Ledger,
    records: Sequence[BoundaryRecord],
    exporter: Exporter,
    folder: Path,
    classes: Classes,
    *,
    round: int = 0,
    neighbours: Mapping[str, Sequence[Neighbour]] | None = None,
    gold: Gold = NO_GOLD,
    own: Instructions = NO_INSTRUCTIONS,
    import_command: str = IMPORT,
) -> SentBatch:
    """Record the texts as proposed, claim those that may be asked, and send them to everybody in the plan.

    A text counts as asked when somebody can see it. A repeated call sends what an earlier call did not send, and
    nothing twice.

    Args:
        ledger: ledger of the project.
        records: the batch.
        exporter: page, sheet, Label Studio or Argilla.
        folder: folder for files.
        classes: classes of the texts; the harmful ones are shown first.
        round: round of the classifier that chose the texts.
        neighbours: see `nearest_labelled`.
        gold: gold texts, hidden among the others.
        own: question and guidelines of the data, used if the exporter's settings have none.
        import_command: see `PageBatch`.

    Raises:
        ConfigError: the batch was assigned to other people before.
    """
    uids = [record.uid for record in records]
    batch_id = batch_name(uids, round)
    shown = PageBatch(
        batch_id, records, shown_classes(classes), neighbours or {}, "", own.question, own.guidelines, import_command
    )
    with ledger.transaction():
        gold = gold.still_free(ledger, batch_id)
        ledger.propose([*records, *gold.records], round)
        free = [record for record in records if ledger.reason_against(record.uid, batch_id) is None]
        given = _given(ledger, batch_id, exporter, [*free, *gold.records] if free else [], gold.answers)
        details = {uid: {"people": names, PENDING: True} for uid, names in given.items()}
        exported = ledger.export(batch_id, exporter.tool, uids, details=details)
        if exported.uids:
            answers = {uid: {**details[uid], "answer": answer} for uid, answer in gold.answers.items()}
            ledger.export(batch_id, exporter.tool, list(answers), "gold", answers)
            _note(ledger, batch_id, shown.instructions(exporter.settings))
    if not exported.uids:
        logger.warning("batch %s: every text was asked before; nothing is sent", batch_id)
        return SentBatch(batch_id, 0, 0, exported.held_back, ())
    asked = mixed_up(batch_id, [*ledger.records(exported.uids).values(), *gold.records])
    places: list[str] = []
    for person in people_of(given) or [""]:
        mine = [record for record in asked if not person or person in given[record.uid]]
        places += exporter.export(ledger, replace(shown, records=mine, annotator=person), folder)
    return SentBatch(batch_id, len(asked), len(gold.records), exported.held_back, places)


def _note(ledger: Ledger, batch_id: str, asked: Instructions) -> None:
    """Record the instructions of the batch, for reading its answers later."""
    before = ledger.instructions().get(batch_id)
    if ledger.note_instructions(batch_id, asked) and before:
        logger.warning(
            "batch %s asked %r before, or had other guidelines; answers to either will be taken as answers to it",
            batch_id,
            before[-1].question,
        )


def shown_classes(classes: Classes) -> dict[str, str]:
    """Class names to the titles that people see, the harmful ones first."""
    ordered = [*classes.harmful_names, *classes.other_names]
    titles = [name[:1].upper() + name[1:] for name in ordered]
    if len({title.casefold() for title in titles}) < len(titles):
        titles = ordered
    return {answer_of(name): title for name, title in zip(ordered, titles, strict=True)}


def is_waiting(ledger: Ledger, uids: Sequence[str], round: int) -> bool:
    """Whether anybody in the plan cannot see one of these texts yet."""
    asked = {event.uid for event in ledger.asked()}
    return not asked.issuperset(uids) or bool(ledger.unsent(batch_name(uids, round)))


def _given(
    ledger: Ledger, batch_id: str, exporter: Exporter, records: Sequence[BoundaryRecord], everyone: Collection[str]
) -> dict[str, list[str]]:
    """Who is asked which texts: as assigned before, otherwise by the plan."""
    before = {event.uid: list(event.payload.get("people", [])) for event in ledger.events("exported", batch=batch_id)}
    if not before:
        return exporter.plan.assign(batch_id, records, everyone)
    people = people_of(before)
    if people != sorted(exporter.plan.annotators):
        raise ConfigError(
            f"batch {batch_id} was given to {people or 'everybody'} before, now "
            f"labeling.plan.annotators={list(exporter.plan.annotators)}; repeat the command with the names it had"
        )
    return before
