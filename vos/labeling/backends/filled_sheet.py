"""Protects the answers on a sheet that people are filling in from a new sheet of the same name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vos.data.files import tolerant_rows
from vos.data.labels import folded
from vos.errors import DataError, RunError
from vos.labeling.answers import LabelRow
from vos.labeling.backends.files import read_labels
from vos.labeling.label import ANSWER, Label
from vos.labeling.ledger import Ledger

ANYBODY = "?"
"""Person of a row without a name, which only the command that imports the sheet gives."""


def keeps_sheet(path: Path, batch_id: str, uids: Collection[str], ledger: Ledger) -> bool:
    """Whether a sheet of this batch with answers is there already, so that it must not be written again.

    Args:
        path: path of the sheet.
        batch_id: id of the batch to be written there.
        uids: texts to be written there.
        ledger: ledger of the project.

    Raises:
        RunError: the sheet has answers to another batch that the ledger does not have.
    """
    rows = _answers(path)
    if rows and all(row.label is not None and row.label.batch_id == batch_id for row in rows):
        present = {str(values.get("uid")) for _, values in tolerant_rows(path, columns=("uid", "label"))}
        if present.issuperset(uids):
            return True
    _check_imported(path, rows, ledger)
    return False


def check_sheet(path: Path, batch_id: str | None, ledger: Ledger | None) -> None:
    """Check that a batch may be written to this path, before any work.

    Args:
        path: path of the sheet.
        batch_id: id of the batch; None: a new one.
        ledger: ledger of the project; None if there is none yet.

    Raises:
        RunError: the sheet has answers to another batch that the ledger does not have.
    """
    others = [row for row in _answers(path) if row.label is None or row.label.batch_id != batch_id]
    _check_imported(path, others, ledger)


def _answers(path: Path) -> list[LabelRow]:
    """Rows with an answer; a sheet that cannot be read is one row without a label, as it may contain answers."""
    if not path.is_file():
        return []
    try:
        return read_labels(path, annotator=ANYBODY)
    except DataError as error:
        return [LabelRow(path.name, 0, None, str(error))]


def _check_imported(path: Path, rows: list[LabelRow], ledger: Ledger | None) -> None:
    waiting = [row for row in rows if row.label is None or not _is_imported(row.label, ledger)]
    if waiting:
        where = "its ledger" if ledger is None else ledger.path
        raise RunError(
            f"{path}: a new sheet would replace it, but {len(waiting)} of its answers are not in {where}; import it "
            f"first with labels=files labels.path={path}, move it away, or choose another folder with output=FOLDER"
        )


def _is_imported(given: Label, ledger: Ledger | None) -> bool:
    """Whether the ledger has this answer, now or in its history, by this person if the sheet has a name."""
    known = [] if ledger is None else [label for _, label in ledger.labels(given.uid)]
    return any(
        _spelling(label) == _spelling(given)
        and (label.batch_id, label.comment) == (given.batch_id, given.comment)
        and given.annotator in (label.annotator, ANYBODY)
        for label in known
    )


def _spelling(label: Label) -> str:
    return folded(label.label.removeprefix(ANSWER))
