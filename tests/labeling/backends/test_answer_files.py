"""Answer files in all the forms that people send back: one reader for all, and none is ignored."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from vos.errors import ConfigError, DataError
from vos.labeling import current_labels, import_labels, text_uid, write_labels
from vos.labeling.backends import FileImporter
from vos.labeling.backends.files import write_adjudication_csv, write_blind_csv
from vos.labeling.state import adjudicated

CLASSES = ("harmless", "harmful")
COLUMNS = ("uid", "label", "annotator", "comment", "seconds", "revision", "labelled_at")


def rows_of(texts, name):
    return [
        {"uid": text_uid(text), "label": CLASSES[i % 2], "annotator": name, "comment": "so, it; seems", "seconds": 1.5,
         "revision": 0, "labelled_at": "2026-11-28T15:00:00Z"}
        for i, text in enumerate(texts)
    ]  # fmt: skip


def write(path, rows):
    ending = path.suffix.lower()
    if ending == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif ending in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter="\t" if ending == ".tsv" else ";")
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = json.dumps(rows) if ending == ".json" else "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(lines, encoding="utf-8")


NAMES = ["ann.csv", "BOB.CSV", "cid.tsv", "dan.ndjson", "gil.JSONL", "jo.json", "kim.parquet"]


def test_every_file_of_a_folder_is_read_whatever_its_ending(ledger, texts, tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    for name in NAMES:
        write(folder / name, rows_of(texts[:4], name))
    (folder / ".DS_Store").write_bytes(b"\0")
    report = import_labels(ledger, FileImporter(str(folder)).rows(ledger), CLASSES)
    assert (report.rows, report.counts["new"], report.exit_code) == (28, 28, 0)
    held = current_labels(ledger)[text_uid(texts[1])]
    assert {label.annotator for label in held} == set(NAMES)
    assert {(label.label, label.comment, label.seconds) for label in held} == {("harmful", "so, it; seems", 1.5)}
    assert import_labels(ledger, FileImporter(str(folder)).rows(ledger), CLASSES).counts["duplicate"] == 28


@pytest.mark.parametrize("name", ["answers.xlsx", "notes.txt", "more/"])
def test_what_cannot_be_read_is_named_and_nothing_is_imported(ledger, texts, tmp_path, name):
    write(tmp_path / "a.csv", rows_of(texts, "ann"))
    path = tmp_path / name
    path.mkdir() if name.endswith("/") else path.write_text("x")
    with pytest.raises(ConfigError, match=f"found {name}.* too; move it away, or name the files"):
        FileImporter(str(tmp_path)).rows(ledger)


def test_the_options_of_files_hold_for_answers(ledger, texts, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(f'uid|label|annotator\n{text_uid(texts[0])}|harmful|J\xf6rg "x\n'.encode("cp1252"))
    rows = FileImporter(str(path), separator="pipe", encoding="cp1252", quoted=False).rows(ledger)
    assert [row.label.annotator for row in rows] == ['Jörg "x']
    with pytest.raises(DataError, match=r"a\.csv:2: byte .*encoding=cp1252"):
        FileImporter(str(path)).rows(ledger)
    with pytest.raises(ConfigError, match="separator: expected one character"):
        FileImporter(str(path), separator="||")


@pytest.mark.parametrize("given", ["Harmful", " HARMFUL ", "1", "1.0"])
def test_spellings_of_an_answer_are_the_class(ledger, texts, tmp_path, given):
    write(tmp_path / "a.csv", [row | {"label": given} for row in rows_of(texts[:1], "ann")])
    rows = FileImporter(str(tmp_path / "a.csv"), label_map={1: "harmful"}).rows(ledger)
    assert import_labels(ledger, rows, CLASSES).counts["new"] == 1
    assert current_labels(ledger)[text_uid(texts[0])][0].label == "harmful"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("blank", ["", " ", "nan", "NaN"])
def test_rows_without_an_answer_are_passed_over_in_every_format(ledger, texts, tmp_path, name, blank):
    rows = rows_of(texts[:3], "ann")
    write(tmp_path / name, [rows[0] | {"label": blank}, *rows[1:]])
    report = import_labels(ledger, FileImporter(str(tmp_path / name)).rows(ledger), CLASSES)
    assert (report.rows, report.counts["new"]) == (2, 2)


def test_an_answer_may_be_a_class_called_none(ledger, texts, tmp_path):
    write(tmp_path / "a.csv", [row | {"label": "None"} for row in rows_of(texts[:1], "ann")])
    rows = FileImporter(str(tmp_path / "a.csv")).rows(ledger)
    assert import_labels(ledger, rows, ("harmful", "none")).counts["new"] == 1
    assert current_labels(ledger)[text_uid(texts[0])][0].label == "none"


def saved_by_a_spreadsheet(path, **cells):
    """The file with its empty cells filled in, saved as spreadsheets of many countries do."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(row | cells for row in rows)


def test_a_sheet_comes_back_from_a_spreadsheet(ledger, record_of, tmp_path):
    texts = ['=1+1, "quoted"; he\nfell', "- dashed", "plain"]
    ledger.propose(record_of(text) for text in texts)
    path = tmp_path / "to_label.csv"
    write_blind_csv(path, [record_of(text) for text in texts], "b0")
    saved_by_a_spreadsheet(path, label="Harmful", annotator="ann")
    report = import_labels(ledger, FileImporter(str(path)).rows(ledger), CLASSES)
    assert (report.rows, report.counts["new"], report.exit_code) == (3, 3, 0)


def test_the_sheet_of_open_texts_comes_back_from_a_spreadsheet(ledger, texts, label_of, tmp_path):
    for who, answer in (("ann", "harmful"), ("bob", "harmless")):
        ledger.record_label(label_of(texts[0], answer, who=who))
    path = tmp_path / "adjudicate.csv"
    assert write_adjudication_csv(path, ledger) == 1
    saved_by_a_spreadsheet(path, label="HARMLESS", annotator="eve")
    assert write_adjudication_csv(path, ledger) == 1  # not imported yet: what was filled in stays
    rehearsed = import_labels(ledger, FileImporter(str(tmp_path)).rows(ledger), CLASSES, dry_run=True)
    assert (rehearsed.counts["adjudicated"], adjudicated(ledger)) == (1, {})
    assert import_labels(ledger, FileImporter(str(tmp_path)).rows(ledger), CLASSES).counts["adjudicated"] == 1
    assert adjudicated(ledger) == {text_uid(texts[0]): "harmless"}
    assert import_labels(ledger, FileImporter(str(tmp_path)).rows(ledger), CLASSES).counts["duplicate"] == 1


def test_a_damaged_file_keeps_its_good_rows_and_those_of_the_others(ledger, texts, label_of, tmp_path):
    write_labels(tmp_path / "b.jsonl", [label_of(texts[0], who="bob")])
    lines = [f"{text_uid(text)},harmful,ann" for text in texts[:2]]
    (tmp_path / "a.csv").write_bytes("\n".join(["uid,label,annotator", *lines, "\xe9,harmful,ann"]).encode("latin-1"))
    report = import_labels(ledger, FileImporter(str(tmp_path)).rows(ledger), CLASSES)
    assert (report.counts["new"], report.counts["rejected"], report.exit_code) == (3, 1, 2)
    assert "a.csv:4: rejected: damaged CSV from here on" in str(report.findings[0])
