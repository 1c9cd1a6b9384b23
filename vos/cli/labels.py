"""Labels in the command line: a batch out after synthesis, answers in before training, the round recorded after it."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vos.cli.overrides import quoted_path
from vos.cli.tables import facts_table, print_whole, short
from vos.data import TextData
from vos.errors import ConfigError, DataError
from vos.harmful import Classes
from vos.labeling import BoundaryRecord, Ledger, answers, state_counts
from vos.labeling.answers import ImportReport
from vos.labeling.backends.files import write_adjudication_csv
from vos.labeling.backends.oracle import OracleImporter, answered_by_oracle
from vos.labeling.backends.page import Neighbour
from vos.labeling.delivery import check_is_there
from vos.labeling.instructions import Instructions
from vos.labeling.quality import agreement_report, gold_scores
from vos.loop import send
from vos.loop.gold import NO_GOLD, Gold, choose_gold
from vos.loop.mistakes import FoundMistakes, found_mistakes, newest
from vos.loop.next_round import NextRound, next_round
from vos.loop.send import SentBatch
from vos.loop.stop_rule import Row, StopRule, add_round
from vos.models.featurizer import ClassifierFeaturizer

logger = logging.getLogger(__name__)

SHOWN = 20
"""Findings of an import that are printed; all of them are in the log."""


def hidden_gold(
    config: DictConfig,
    data: TextData,
    records: Sequence[BoundaryRecord],
    featurizer: ClassifierFeaturizer,
    outputs: Classes | None = None,
) -> Gold:
    """The texts with known answers that the batch hides; none where nobody is asked; `outputs`: see `choose_gold`."""
    if config.labeling._target_ is None:
        return NO_GOLD
    plan = instantiate(config.labeling.plan)
    with Ledger(config.ledger) as ledger:
        return choose_gold(ledger, plan, data.val, records, featurizer, data.classes, _round(ledger), outputs)


def export_batch(
    config: DictConfig,
    records: Sequence[BoundaryRecord],
    classes: Classes,
    folder: Path,
    neighbours: Mapping[str, Sequence[Neighbour]] | None = None,
    gold: Gold = NO_GOLD,
    own: Instructions = send.NO_INSTRUCTIONS,
) -> SentBatch:
    """Bring a batch out through the backend that `labeling` names, and note it in the ledger."""
    with Ledger(config.ledger) as ledger:
        sent = send.export_batch(
            ledger,
            records,
            instantiate(config.labeling),
            folder,
            classes,
            round=_round(ledger),
            neighbours=neighbours,
            gold=gold,
            own=own,
            import_command=_import_command(config),
        )
    table = facts_table(f"Batch {sent.batch_id}")
    table.add_row("asked now", str(sent.asked))
    table.add_row("of them with a known answer", str(sent.gold))
    table.add_row("asked before, held back", str(len(sent.held_back)))
    Console().print(table)
    for place in sent.places:
        print_whole(f"where: {short(place) if Path(place).exists() else place}")
    return sent


def _import_command(config: DictConfig) -> str:
    """What brings the answers of a page back; `{FILE}` stands for the file that it gives."""
    run, ledger = (_typed(name, short(Path(config.get(name) or "RUN").absolute())) for name in ("run", "ledger"))
    return f"python train.py {run} labels=files labels.path={{FILE}} {ledger}"


def _typed(name: str, path: str) -> str:
    """An override as it is typed into a shell, whatever characters the path has."""
    return shlex.quote(f"{name}={path if re.fullmatch(r'[A-Za-z0-9_./-]+', path) else quoted_path(path)}")


def _round(ledger: Ledger) -> int:
    """Of the classifier that chooses texts now."""
    return max((int(event.payload["round"]) for event in ledger.events("trained")), default=0)


def is_waiting(config: DictConfig, records: Sequence[BoundaryRecord]) -> bool:
    """Whether somebody is still to be asked about a batch that was written."""
    if config.labeling._target_ is None or not records:
        return False
    if not Path(config.ledger).exists():
        return True
    with Ledger(config.ledger) as ledger:
        return send.is_waiting(ledger, [record.uid for record in records], _round(ledger))


def import_labels(config: DictConfig, classes: Classes) -> ImportReport:
    """Import answers through the backend that `labels` names; print the report, the agreement and what they found.

    What is open goes into `adjudicate.csv` beside the ledger, a sheet to fill in and to import like any other.

    Raises:
        DataError: rows were turned away and `accept_rejected` is off. Good rows are kept all the same.
    """
    check_is_there(config.ledger)
    backend = instantiate(config.labels)
    with Ledger(config.ledger) as ledger:
        report = answers.import_labels(ledger, backend.rows(ledger), classes.names, dry_run=config.dry_run)
        who = "Answers of a declared oracle, no person" if isinstance(backend, OracleImporter) else "Labels"
        _print_import(report, ledger, classes, who)
        if not config.dry_run:
            _write_open(report, ledger)
    if report.exit_code and not config.accept_rejected:
        raise DataError(
            f"{report.counts['rejected']} rows were rejected and {report.counts['unknown']} are about unknown texts "
            "(see above); the good rows are kept. Mend the file and repeat, or go on with accept_rejected=true"
        )
    return report


def _write_open(report: ImportReport, ledger: Ledger) -> None:
    """The sheet of open texts; left as it is while rows of it are to be mended, which are named by their lines."""
    path = ledger.path.with_name("adjudicate.csv")
    if any(each.source == path.name and each.outcome in ("rejected", "unknown") for each in report.findings):
        return
    if n := write_adjudication_csv(path, ledger):
        logger.warning("%d texts need another look: fill in %s, then labels=files labels.path=%s", n, path, path)


def merge_labels(config: DictConfig, data: TextData) -> NextRound:
    """The run's texts, with the labels that the ledger has settled."""
    with Ledger(config.ledger) as ledger:
        found = next_round(data, ledger, instantiate(config.mix))
    if not found.labels:
        raise ConfigError(
            f"ledger={config.ledger}: no settled label yet; import some with labels=files labels.path=FILE"
        )
    return found


def record_round(config: DictConfig, new: NextRound, final: Mapping[str, float]) -> str | None:
    """Mark the labels as trained on, add the round to the table; returns the reason to stop, if there is one.

    The same round recorded again changes nothing.
    """
    with Ledger(config.ledger) as ledger:
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
    reason = rule.reason(rows)
    logger.info("labelling round %d: %s", number, f"stop, {reason}" if reason else "another round is worth it")
    if of_oracle:
        logger.info("of its %d labels a declared oracle, no person, gave %d", len(new.labels), of_oracle)
    return reason


def _print_import(report: ImportReport, ledger: Ledger, classes: Classes, title: str) -> None:
    table = facts_table(title + (" (rehearsal, nothing is kept)" if report.dry_run else ""))
    table.add_row("rows", str(report.rows))
    for name, count in report.counts.items():
        table.add_row(name, str(count))
    if of_oracle := len(answered_by_oracle(ledger)):
        table.add_row("texts answered by a declared oracle, no person", str(of_oracle))
    for name, value in agreement_report(ledger).items():
        table.add_row(name, "none" if value is None else f"{value:.3g}")
    for person, score in gold_scores(ledger).items():
        interval = "" if score.interval is None else " (95 %: {:.0%} to {:.0%})".format(*score.interval)
        undecided = f", {score.undecided} undecided" if score.undecided else ""
        right = f"{score.right} of {score.judged} right{interval}{undecided}"
        table.add_row(Text(f"known answers, {person}"), right)
    for state, count in state_counts(ledger).items():
        table.add_row(f"texts {state}", str(count))
    console = Console()
    console.print(table)
    if found := found_mistakes(ledger, classes):
        console.print(_mistakes_table(found))
    for doubt in report.doubts:
        logger.warning("%s", doubt)
    for finding in report.findings[:SHOWN]:
        console.print(str(finding), markup=False, highlight=False)
    for finding in report.findings:
        logger.debug("%s", finding)
    if len(report.findings) > SHOWN:
        console.print(f"and {len(report.findings) - SHOWN} more", markup=False)


def _mistakes_table(rounds: Mapping[int, FoundMistakes]) -> Table:
    """What the answers found, a row for each round and kind of text that has some."""
    table = Table(title="Mistakes found (rates with 95 % intervals)")
    for name in ("round", "texts", "wrong", "rate", "labels per\nmistake"):
        table.add_column(name, justify="left" if name == "texts" else "right")
    for number, found in rounds.items():
        kinds = {"near the boundary": found.near, "random share": found.random, "harm missed there": found.missed}
        for kind, rate in kinds.items():
            if rate.n:
                share = "{:.0%} ({:.0%} to {:.0%})".format(rate.k / rate.n, *rate.interval)
                # What a text costs that was drawn for another question would be no price of a miss.
                cost = f"{rate.n / rate.k:.3g}" if rate.k and rate is not found.missed else ""
                table.add_row(str(number), kind, f"{rate.k} of {rate.n}", share, cost)
    return table
