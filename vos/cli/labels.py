"""Labels on the command line: export batches after synthesis, import answers before training, record rounds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.utils import instantiate
from omegaconf import DictConfig

from vos.cli.batch_summary import print_sent
from vos.cli.endings import setting
from vos.cli.label_reports import print_import
from vos.data import TextData
from vos.errors import ConfigError, DataError
from vos.harmful import Classes
from vos.labeling import BoundaryRecord, Ledger, answers
from vos.labeling.answers import ImportReport
from vos.labeling.assignment import batch_name
from vos.labeling.backends import SheetExporter
from vos.labeling.backends.files import write_adjudication_csv
from vos.labeling.backends.oracle import OracleImporter, answered_by_oracle
from vos.labeling.backends.page import Neighbour
from vos.labeling.delivery import check_is_there
from vos.labeling.instructions import Instructions
from vos.loop import send
from vos.loop.gold import NO_GOLD, Gold, choose_gold
from vos.loop.mistakes import found_mistakes, newest
from vos.loop.next_round import NextRound, next_round, trained_as, with_earlier_labels
from vos.loop.send import SentBatch
from vos.loop.stop_rule import STEM, Row, StopRule, add_round
from vos.models.featurizer import ClassifierFeaturizer
from vos.storage.run_directory import RunDirectory
from vos.training.comparison_plots import mistakes

logger = logging.getLogger(__name__)

MISTAKES = "mistakes.png"
"""Picture beside the ledger."""


def hidden_gold(
    config: DictConfig,
    data: TextData,
    records: Sequence[BoundaryRecord],
    featurizer: ClassifierFeaturizer,
    outputs: Classes | None = None,
) -> Gold:
    """The gold texts hidden in the batch; none if it is not sent to anybody; `outputs`: see `choose_gold`."""
    if config.labeling._target_ is None:
        return NO_GOLD
    plan = instantiate(config.labeling.plan)
    with Ledger(config.ledger) as ledger:
        return choose_gold(ledger, plan, data.val, records, featurizer, data.classes, _round(config, ledger), outputs)


def export_batch(
    config: DictConfig,
    records: Sequence[BoundaryRecord],
    classes: Classes,
    folder: Path,
    neighbours: Mapping[str, Sequence[Neighbour]] | None = None,
    gold: Gold = NO_GOLD,
    own: Instructions = send.NO_INSTRUCTIONS,
) -> SentBatch:
    """Export a batch through the backend that `labeling` names, and record it in the ledger."""
    backend = instantiate(config.labeling)
    with Ledger(config.ledger) as ledger:
        sent = send.export_batch(
            ledger,
            records,
            backend,
            folder,
            classes,
            round=_round(config, ledger),
            neighbours=neighbours,
            gold=gold,
            own=own,
            import_command=_import_command(config),
        )
    print_sent(config, sent, backend.tool)
    return sent


def _import_command(config: DictConfig) -> str:
    """The command that imports the answers of a page; `{FILE}` stands for the downloaded file."""
    run, ledger = (setting(name, Path(config.get(name) or "RUN").absolute()) for name in ("run", "ledger"))
    return f"python train.py {run} labels=files labels.path={{FILE}} {ledger}"


def _round(config: DictConfig, ledger: Ledger) -> int:
    """Round of the classifier that chooses texts, that of `config.run`; 0 if it was trained on no new labels."""
    name = trained_as(RunDirectory(config.run)) if config.get("run") else None
    trained = [] if name is None else ledger.events("trained", batch=name)
    return max((int(event.payload["round"]) for event in trained), default=0)


def is_waiting(config: DictConfig, records: Sequence[BoundaryRecord]) -> bool:
    """Whether a written batch has not been sent to everybody yet."""
    if config.labeling._target_ is None or not records:
        return False
    if not Path(config.ledger).exists():
        return True
    with Ledger(config.ledger) as ledger:
        return send.is_waiting(ledger, [record.uid for record in records], _round(config, ledger))


def check_sheets(config: DictConfig, folder: Path, records: Sequence[BoundaryRecord] | None) -> None:
    """Check that no sheet that people are filling in would be replaced, before any work.

    Args:
        config: configuration of a synthesis.
        folder: folder of the batch.
        records: the batch, if it is written already.

    Raises:
        RunError: a sheet of another batch in this folder has answers that were not imported.
    """
    backend = instantiate(config.labeling) if config.labeling._target_ is not None else None
    if not isinstance(backend, SheetExporter):
        return
    if not Path(config.ledger).exists():
        backend.check_answers(folder, None, None)
        return
    with Ledger(config.ledger) as ledger:
        own = None if records is None else batch_name([record.uid for record in records], _round(config, ledger))
        backend.check_answers(folder, own, ledger)


def import_labels(config: DictConfig, classes: Classes) -> ImportReport:
    """Import answers through the backend that `labels` names; print the report, agreement and found mistakes.

    Texts without a settled label are written to `adjudicate.csv` next to the ledger, a sheet to fill in and import.

    Raises:
        DataError: rows were rejected and `accept_rejected` is off. Accepted rows are stored nevertheless.
    """
    check_is_there(config.ledger)
    backend = instantiate(config.labels)
    with Ledger(config.ledger) as ledger:
        report = answers.import_labels(ledger, backend.rows(ledger), classes.names, dry_run=config.dry_run)
        who = "Answers of a declared oracle, no person" if isinstance(backend, OracleImporter) else "Labels"
        print_import(report, ledger, classes, who)
        if not config.dry_run:
            _write_open(report, ledger)
            _draw_mistakes(ledger, classes)
    if report.exit_code and not config.accept_rejected:
        raise DataError(
            f"{report.counts['rejected']} rows were rejected and {report.counts['unknown']} are about unknown texts "
            "(see above); the good rows are kept. Mend the file and repeat, or go on with accept_rejected=true"
        )
    return report


def _draw_mistakes(ledger: Ledger, classes: Classes) -> None:
    """Draw a picture of the mistakes that answers found, next to the ledger."""
    rounds = {
        number: {"near the boundary": (found.near.k, found.near.n), "random share": (found.random.k, found.random.n)}
        for number, found in found_mistakes(ledger, classes).items()
    }
    if any(n for kinds in rounds.values() for _, n in kinds.values()):
        mistakes(ledger.path.with_name(MISTAKES), rounds)


def _write_open(report: ImportReport, ledger: Ledger) -> None:
    """Write the sheet of open texts, unless the old sheet has rejected rows to correct, which are named by line."""
    path = ledger.path.with_name("adjudicate.csv")
    if any(each.source == path.name and each.outcome in ("rejected", "unknown") for each in report.findings):
        return
    if n := write_adjudication_csv(path, ledger):
        logger.warning("%d texts need another look: fill in %s, then labels=files labels.path=%s", n, path, path)


def news(config: DictConfig, classes: Classes) -> int:
    """Number of answers of the backend that the ledger does not have; nothing is imported."""
    backend = instantiate(config.labels)
    with Ledger(config.ledger) as ledger:
        counts = answers.import_labels(ledger, backend.rows(ledger), classes.names, dry_run=True).counts
    return sum(counts[outcome] for outcome in ("new", "changed", "withdrawn", "adjudicated"))


def merge_labels(config: DictConfig, data: TextData) -> NextRound:
    """Merge the settled labels of the ledger into the run's texts, and those of the run that it continues.

    The ledger decides about every text that it has.
    """
    with Ledger(config.ledger) as ledger:
        if config.get("run"):
            data = with_earlier_labels(data, RunDirectory(config.run).train, ledger.items().keys())
        found = next_round(data, ledger, instantiate(config.mix))
    if not found.labels:
        raise ConfigError(
            f"ledger={config.ledger}: no settled label yet; import some with labels=files labels.path=FILE"
        )
    return found


class LabelRound(NamedTuple):
    """A round of labels that a classifier was trained with: its number, its labels, and why to stop, if so."""

    number: int
    labels: int
    of_oracle: int
    stop: str | None


def record_round(config: DictConfig, new: NextRound, final: Mapping[str, float]) -> LabelRound:
    """Mark the labels as trained on, and add the round to the table and its picture.

    Recording the same round again changes nothing.
    """
    with Ledger(config.ledger) as ledger:
        with ledger.transaction():  # two runs that end at the same time are two rounds
            done = {event.batch: int(event.payload["round"]) for event in ledger.events("trained")}
            number = done.get(new.name, max(done.values(), default=0) + 1)
            ledger.mark_trained(new.name, number, new.labels)
        of_oracle = len(answered_by_oracle(ledger) & new.labels.keys())
        found = newest(found_mistakes(ledger, new.data.classes)).metrics()
    labels = {"labels": len(new.labels), "labels_of_oracle": of_oracle}
    row: Row = {"run": new.name, "round": number, **labels, **final, **found}
    rows = add_round(Path(config.ledger).parent, row)
    rule: StopRule = instantiate(config.stop)
    if rule.target_fnr is not None and not new.data.harmful:
        logger.warning("stop.target_fnr is off: no class is harmful, so nothing can be missed")
    return LabelRound(number, len(new.labels), of_oracle, rule.reason(rows))


def tell_round(found: LabelRound) -> None:
    """Print whether another round of labels is worthwhile, and who gave these labels."""
    worth = f"stop, {found.stop}" if found.stop else "another round is worth it"
    logger.info("labelling round %d: %s", found.number, worth)
    if found.of_oracle:
        logger.info("of its %d labels a declared oracle, no person, gave %d", found.labels, found.of_oracle)


def label_pictures(config: DictConfig) -> dict[str, Path]:
    """Existing pictures of the project's labelling rounds, by short name."""
    folder = Path(config.ledger).parent
    files = {"pictures/labelling_rounds": folder / f"{STEM}.png", "pictures/mistakes": folder / MISTAKES}
    return {name: path for name, path in files.items() if path.exists()}
