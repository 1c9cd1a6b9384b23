"""The last lines of a run: what it changed, in one sentence, and the next command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from vos.cli.overrides import quoted_path
from vos.console import console, is_terminal, short
from vos.storage.commands import command
from vos.training.words import as_phrase


def what_changed(content: Mapping[str, Any], monitor: str, new_labels: int = 0, before: Path | str = "") -> str:
    """Return one or two sentences: the round that is kept, the metric that decided, and its change.

    Args:
        content: content of `metrics.json`.
        monitor: the metric by which the round is chosen, lower is better.
        new_labels: number of labels that only later rounds were trained with, if round 0 is the classifier of another
            run; otherwise 0.
        before: folder of that run.

    Example:
        >>> rounds = [{"round": i, "boundary/val/brier": b} for i, b in enumerate((0.08, 0.06, 0.07))]
        >>> content = {"rounds": rounds, "kept_round": 1, "refine": {"keep": "best"}}
        >>> what_changed(content, "boundary/val/brier")
        'Round 1 is kept, the best of 3: Brier score of the validation texts from 0.08 in round 0 to 0.06.'
        >>> print(what_changed(content, "boundary/val/brier", new_labels=50, before="runs/first"))
        Round 1 is kept, the best of 2 with the 50 new labels: Brier score of the validation texts from 0.08 before \
them to 0.06.
    """
    values = {int(each["round"]): float(each[monitor]) for each in content["rounds"]}
    kept, first, words = int(content["kept_round"]), min(values), as_phrase(monitor)
    if len(values) == 1:
        return f"Round {kept} is the only one: {words} {values[kept]:.4g}."
    moved = f"{words} from {values[first]:.4g} in round {first} to {values[kept]:.4g}"
    if content["refine"]["keep"] == "last":
        return f"Round {kept} is kept, the last (refine.keep=last): {moved}; the lowest is {min(values.values()):.4g}."
    if new_labels:
        rank = "the only one" if len(values) == 2 else f"the best of {len(values) - 1}"
        moved = f"{words} from {values[first]:.4g} before them to {values[kept]:.4g}"
        said = f"Round {kept} is kept, {rank} with the {new_labels:,} new labels: {moved}."
        return said if values[kept] <= values[first] else f"{said} {_not_better(before)}"
    if kept != first:
        return f"Round {kept} is kept, the best of {len(values)}: {moved}."
    others = {number: value for number, value in values.items() if number != kept}
    nearest = min(others, key=lambda number: others[number])
    return (
        f"Round {kept} is kept, as refining did not help: {words} {values[kept]:.4g}, at best {values[nearest]:.4g} "
        f"after it (round {nearest})."
    )


def _not_better(before: Path | str) -> str:
    """What to think of new labels that did not improve the metric."""
    return (
        "That is no gain. But these texts chose the classifier of before, and so favour it: compare both on texts that "
        f"neither has seen; the one of before is still in {short(before)}."
    )


def next_step(*words: str) -> None:
    """Print the next command so that it can be copied; on a narrow terminal over several lines."""
    lines = [f"next: {words[0]}"]
    for word in words[1:]:
        if is_terminal() and len(lines[-1]) + len(word) + 3 > console().width:
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    console().print(Text(" \\\n".join(lines)), soft_wrap=True)


def setting(name: str, value: Path | str) -> str:
    """Return `name=value` quoted for a shell, for a path with any characters.

    Example:
        >>> print(setting("run", "outputs/run"), setting("run", "a run"))
        run=outputs/run 'run='"'"'a run'"'"''
    """
    path = short(value)
    return shlex.quote(f"{name}={path if re.fullmatch(r'[A-Za-z0-9_./-]+', path) else quoted_path(path)}")


def same_ledger(ledger: Path | str, default: str = "labels/ledger.sqlite") -> Sequence[str]:
    """The setting `ledger`, if it is not the default."""
    return [] if str(ledger) == default else [setting("ledger", ledger)]


def next_batch(run: Path, ledger: Path | str, *, has_pool: bool) -> None:
    """Print the command that makes a batch from a run; if its data have no pool, with a file to fill in."""
    pool = [] if has_pool else ["pool.path=UNLABELLED.csv"]
    next_step(command("synthesize"), setting("run", run), "n=100", *pool, *same_ledger(ledger))
