"""Chooses the gold texts (texts with known answers) that are hidden in a batch."""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vos.data.files import tolerant_rows
from vos.data.labels import spelled
from vos.data.problems import ProblemLog
from vos.data.settings import RowSettings
from vos.data.validation import parse_rows
from vos.errors import DataError
from vos.harmful import Classes
from vos.labeling import BoundaryRecord, Ledger, text_uid
from vos.labeling.assignment import Plan, batch_name, share_of
from vos.metrics.margins import margin
from vos.models.featurizer import ClassifierFeaturizer
from vos.storage.provenance import Provenance
from vos.storage.seeds import derive_seed
from vos.types import Example

logger = logging.getLogger(__name__)

PLAIN_LEVEL = 1
"""Only texts up to this subtlety level are used as gold texts, because people may well disagree on subtle ones."""


@dataclass(frozen=True)
class Gold:
    """Texts with a known answer.

    Attributes:
        records: the texts; like other records except that `chosen` is "gold", which is never shown.
        answers: uid to the known class name.
        as_of: number of the newest event of the ledger when they were chosen; None for those that a batch had before.
    """

    records: Sequence[BoundaryRecord] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    as_of: int | None = None

    def still_free(self, ledger: Ledger, batch_id: str) -> Gold:
        """Without the texts that another batch, chosen at the same time, has claimed since they were chosen."""
        if self.as_of is None:
            return self
        claims = {uid: ledger.events("exported", uid=uid) for uid in self.answers}
        taken = {
            uid
            for uid, events in claims.items()
            if any(each.seq > self.as_of and each.batch != batch_id for each in events)
        }
        if not taken:
            return self
        logger.warning("%d known answers are left out: another batch took them at the same time", len(taken))
        answers = {uid: answer for uid, answer in self.answers.items() if uid not in taken}
        return Gold([each for each in self.records if each.uid not in taken], answers, self.as_of)


NO_GOLD = Gold()


def choose_gold(
    ledger: Ledger,
    plan: Plan,
    labelled: Sequence[Example],
    records: Sequence[BoundaryRecord],
    featurizer: ClassifierFeaturizer,
    classes: Classes,
    round: int,
    outputs: Classes | None = None,
) -> Gold:
    """Choose gold texts that were never asked before, alternating classes; for a batch already sent, those it had.

    Args:
        ledger: ledger of the project.
        plan: number of gold texts, and their file.
        labelled: labelled texts, used if the plan names no file. Pass held-out texts, so that an answer to them can
            never be trained on by mistake.
        records: the batch that they are added to.
        featurizer: computes their margins and predictions.
        classes: classes of the texts.
        round: labelling round of the batch.
        outputs: outputs of the classifier, if they differ from the classes of the texts.

    Raises:
        DataError: the plan's file cannot be used.
    """
    batch_id = batch_name([record.uid for record in records], round)
    if ledger.events("exported", batch=batch_id):
        answers = ledger.gold(batch_id)
        return Gold(tuple(ledger.records(list(answers)).values()), answers)
    wanted = share_of(plan.gold_share, len(records))
    if wanted == 0:
        return NO_GOLD
    label_names = classes.names
    known = read_gold(plan.gold_path, label_names) if plan.gold_path else labelled
    as_of = ledger.newest_event()
    # Claimed for a batch that was never sent, so nobody has seen them.
    unseen = {event.uid for event in ledger.events("exported")} - {event.uid for event in ledger.asked()}
    taken = {record.uid for record in records} | {event.uid for event in ledger.events("proposed")} - unseen
    chosen = _draw([example for example in known if text_uid(example.text) not in taken], wanted, batch_id)
    if len(chosen) < wanted:
        logger.warning("%d texts with a known answer wanted, %d left that nobody was asked yet", wanted, len(chosen))
    if not chosen:
        return NO_GOLD
    answers = {text_uid(example.text): label_names[int(example.label or 0)] for example in chosen}
    return Gold(_records(chosen, featurizer, outputs or classes, records[0].run_hash), answers, as_of)


def read_gold(path: str | Path, label_names: Sequence[str]) -> list[Example]:
    """Texts with known answers from a file with the columns `text` and `label`, the class names.

    Raises:
        DataError: invalid rows, or labels that are not class names.
    """
    log = ProblemLog()
    settings = RowSettings()
    parsed = parse_rows(str(path), tolerant_rows(path, columns=settings.named()), settings, log)
    rows = [replace(row, raw_label=spelled(row.raw_label, label_names)) for row in parsed]
    log.raise_if_any()
    wrong = [row for row in rows if row.raw_label not in label_names]
    if wrong:
        raise DataError(
            f"labeling.plan.gold_path: {wrong[0].where}: expected a label of {list(label_names)}, got "
            f"{wrong[0].raw_label!r} ({len(wrong)} such rows)"
        )
    labels_of = Counter(uid for uid, _ in {(row.uid, row.raw_label) for row in rows})
    twice = next((row for row in rows if labels_of[row.uid] > 1), None)
    if twice is not None:
        raise DataError(f"labeling.plan.gold_path: {twice.where}: the same text stands there with another label")
    unique = {row.uid: row for row in rows}.values()
    return [Example(row.uid, row.example.text, label_names.index(str(row.raw_label))) for row in unique]


def _draw(known: Sequence[Example], n: int, batch_id: str) -> list[Example]:
    """`n` plain texts, alternating classes."""
    rng = random.Random(derive_seed("gold", batch_id))  # noqa: S311 - a choice, not a secret
    by_class: dict[int, list[Example]] = {}
    for example in rng.sample(list(known), len(known)):
        if example.label is not None and (example.level is None or example.level <= PLAIN_LEVEL):
            by_class.setdefault(example.label, []).append(example)
    turns = itertools.zip_longest(*(by_class[label] for label in sorted(by_class, reverse=True)))
    return [example for turn in turns for example in turn if example is not None][:n]


def _records(
    chosen: Sequence[Example], featurizer: ClassifierFeaturizer, classes: Classes, run_hash: str
) -> tuple[BoundaryRecord, ...]:
    batch = featurizer.featurize([example.text for example in chosen])
    margins = margin(batch.logits, classes.harmful)
    rows = zip(chosen, margins.tolist(), batch.logits.softmax(-1).tolist(), strict=True)
    return tuple(
        BoundaryRecord(
            uid=text_uid(example.text),
            id=example.id,
            text=example.text,
            chosen="gold",
            margin=value,
            probability=dict(zip(classes.names, probability, strict=True)),
            provenance=Provenance("labelled"),
            model_hash=featurizer.model_hash,
            run_hash=run_hash,
        )
        for example, value, probability in rows
    )
