"""The printed report of an import of answers: counts, agreement, and the mistakes that people found."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vos.console import print_facts, print_table, say
from vos.harmful import Classes
from vos.labeling import Ledger, state_counts
from vos.labeling.answers import ImportReport
from vos.labeling.backends.oracle import answered_by_oracle
from vos.labeling.quality import agreement_report, gold_scores
from vos.loop.mistakes import FoundMistakes, found_mistakes

logger = logging.getLogger(__name__)

SHOWN = 20
"""Largest number of messages of an import that are printed; all of them are in the log."""


def print_import(report: ImportReport, ledger: Ledger, classes: Classes, title: str) -> None:
    """Print an import: rows by outcome, agreement, known answers, states of the texts, mistakes found."""
    rows = [("rows", f"{report.rows}: {_counted(report.counts)}")]
    if of_oracle := len(answered_by_oracle(ledger)):
        rows.append(("answered by a declared oracle, no person", f"{of_oracle} texts"))
    rows += _agreement(agreement_report(ledger))
    for person, score in gold_scores(ledger).items():
        interval = "" if score.interval is None else " (95 %: {:.0%} to {:.0%})".format(*score.interval)
        undecided = f", {score.undecided} undecided" if score.undecided else ""
        rows.append((f"known answers, {person}", f"{score.right} of {score.judged} right{interval}{undecided}"))
    rows.append(("texts", _counted(state_counts(ledger))))
    print_facts(title + (" (rehearsal, nothing is kept)" if report.dry_run else ""), rows)
    if found := found_mistakes(ledger, classes):
        _print_mistakes(found)
    for doubt in report.doubts:
        logger.warning("%s", doubt)
    for finding in report.findings[:SHOWN]:
        say(str(finding))
    for finding in report.findings:
        logger.debug("%s", finding)
    if len(report.findings) > SHOWN:
        say(f"and {len(report.findings) - SHOWN} more")


def _counted(counts: Mapping[str, int]) -> str:
    """The nonzero counts, in words."""
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"


def _agreement(report: Mapping[str, float | int | None]) -> list[tuple[str, str]]:
    """Krippendorff's alpha of all texts and of each kind, if two people answered some; and self-agreement."""
    rows = []
    for name, alpha in report.items():
        kind, _, of = name.partition("/")
        if kind == "alpha" and report.get(f"double/{of}"):
            which = "" if of == "all" else f", {of.replace('=', ' ')}"
            told = "none" if alpha is None else f"{alpha:.3g}"
            rows.append((f"Krippendorff's alpha{which}", f"{told}, of {report[f'double/{of}']} texts answered twice"))
    if report.get("self_repeats"):
        rows.append(("self-agreement", f"{report['self_agreement']:.0%} of {report['self_repeats']} repeats"))
    return rows


def _print_mistakes(rounds: Mapping[int, FoundMistakes]) -> None:
    """Print the mistakes that the answers found, one row per round and kind of text."""
    rows = []
    for number, found in rounds.items():
        kinds = {"near the boundary": found.near, "random share": found.random, "harm missed there": found.missed}
        for kind, rate in kinds.items():
            if rate.n:
                share = "{:.0%} ({:.0%} to {:.0%})".format(rate.k / rate.n, *rate.interval)
                # Texts drawn for another purpose say nothing about the cost of finding a missed harmful text.
                cost = f"{rate.n / rate.k:.3g}" if rate.k and rate is not found.missed else ""
                rows.append([kind, str(number), f"{rate.k} of {rate.n}", share, cost])
    heads = ["texts", "round", "wrong", "rate", "labels per\nmistake"]
    print_table("Mistakes found (rates with 95 % intervals)", heads, rows)
