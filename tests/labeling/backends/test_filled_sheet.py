"""Answers on a sheet that people are filling in are not lost to a new sheet."""

from __future__ import annotations

import csv

import pytest

from tests.loop.toys import CLASSES, NAMES, record
from vos.errors import DataError, RunError
from vos.labeling import Ledger, import_labels
from vos.labeling.assignment import Plan
from vos.labeling.backends import FileImporter, SheetExporter
from vos.loop.send import export_batch

FIRST = [record(f"text {i}") for i in range(4)]
SECOND = [record(f"other text {i}") for i in range(4)]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def fill_in(path, n, **cells):
    """Fill in the first rows, as a spreadsheet saves them; returns the content of the file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";" if path.read_bytes()[:1] == b"\xef" else ","))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(row | (cells if i < n else {}) for i, row in enumerate(rows))
    return path.read_bytes()


def bring(ledger, path, **settings):
    return import_labels(ledger, FileImporter(str(path), **settings).rows(ledger), NAMES).counts


def test_another_batch_waits_until_the_answers_are_imported(ledger, tmp_path):
    export_batch(ledger, FIRST, SheetExporter(), tmp_path, CLASSES)
    path = tmp_path / "to_label.csv"
    filled = fill_in(path, 2, label="Harmful", annotator="ann", comment="=why")
    message = rf"{path}: .* 2 of its answers are not in {ledger.path}; import it first with labels=files"
    for _ in range(2):  # also when the batch was claimed by the first try
        with pytest.raises(RunError, match=message):
            export_batch(ledger, SECOND, SheetExporter(), tmp_path, CLASSES, round=1)
        assert path.read_bytes() == filled
    assert bring(ledger, path)["new"] == 2
    fill_in(path, 3, label="harmful", annotator="ann", comment="=why")
    with pytest.raises(RunError, match="1 of its answers"):
        SheetExporter().check_answers(tmp_path, None, ledger)
    assert bring(ledger, path)["new"] == 1
    SheetExporter().check_answers(tmp_path, None, ledger)
    assert export_batch(ledger, SECOND, SheetExporter(), tmp_path, CLASSES, round=1).asked == 4
    assert all(each.uid in path.read_text("utf-8") for each in SECOND)


@pytest.mark.parametrize(
    "changed",
    [{"label": "harmless"}, {"label": "harmful", "comment": "why"}, {"label": "harmful", "annotator": "bob"}],
    ids=["label", "comment", "person"],
)
def test_an_answer_that_differs_from_the_imported_one_counts_as_not_imported(ledger, tmp_path, changed):
    export_batch(ledger, FIRST, SheetExporter(), tmp_path, CLASSES)
    path = tmp_path / "to_label.csv"
    fill_in(path, 1, label="harmful", annotator="ann")
    bring(ledger, path)
    fill_in(path, 1, **changed)
    with pytest.raises(RunError, match="1 of its answers"):
        SheetExporter().check_answers(tmp_path, None, ledger)


def test_sheets_without_names_and_sheets_that_cannot_be_read(ledger, tmp_path):
    export_batch(ledger, FIRST, SheetExporter(), tmp_path, CLASSES)
    path = tmp_path / "to_label.csv"
    SheetExporter().check_answers(tmp_path, None, ledger)  # nobody has answered
    fill_in(path, 4, label="answer:unsure")
    with pytest.raises(RunError, match="4 of its answers are not in its ledger"):
        SheetExporter().check_answers(tmp_path, None, None)
    bring(ledger, path, annotator="ann")
    SheetExporter().check_answers(tmp_path, None, ledger)
    path.write_bytes(b"uid,label\n\xe9,\xe9\n")
    with pytest.raises(RunError, match="1 of its answers"):
        SheetExporter().check_answers(tmp_path, None, ledger)


def test_an_interrupted_export_keeps_the_sheet_that_the_first_person_fills_in(ledger, tmp_path):
    exporter = SheetExporter(Plan(annotators=("ann", "bob"), overlap_share=0.0))
    path, other = tmp_path / "to_label-ann.csv", tmp_path / "to_label-bob.csv"
    other.mkdir()  # the second sheet cannot be written
    with pytest.raises(DataError, match=r"to_label-bob\.csv was not written"):
        export_batch(ledger, FIRST, exporter, tmp_path, CLASSES)
    filled = fill_in(path, 1, label="harmful", annotator="ann")
    other.rmdir()
    sent = export_batch(ledger, FIRST, exporter, tmp_path, CLASSES)
    exporter.check_answers(tmp_path, sent.batch_id, ledger)
    assert path.read_bytes() == filled
    assert ledger.unsent(sent.batch_id) == []
