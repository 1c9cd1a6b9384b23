"""Export and import of answers and sheets as files."""

from __future__ import annotations

import pytest

from vos.errors import DataError
from vos.labeling import Span, current_labels, import_labels, read_labels, text_uid, write_labels
from vos.labeling.backends import FileImporter
from vos.labeling.backends.files import write_blind_csv

CLASSES = ("harmless", "harmful")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_out_and_in_again_gives_the_same_answers(tmp_path, ledger, texts, label_of, kind):
    labels = [
        label_of(texts[0], comment='=1+1, "quoted",\nnew line ünï 😀', seconds=1.5, raw_seconds=3.0),
        label_of(
            texts[1], "unsure", spans=(Span(4, 10, "ladder"),), shown_prediction=True, changed_from_suggestion=False
        ),
        label_of(texts[2], "skip", who="@bob", repeat=1, revision=2, neighbours_opened=True),
    ]
    path = tmp_path / f"labels.{kind}"
    write_labels(path, labels)
    assert [row.label for row in read_labels(path)] == labels
    assert import_labels(ledger, read_labels(path), CLASSES).counts["new"] == 3
    assert import_labels(ledger, read_labels(path), CLASSES).counts["duplicate"] == 3
    assert len(ledger.labels()) == 3


def test_a_sheet_filled_in_by_hand_comes_back(tmp_path, ledger, record_of):
    texts = ["=HYPERLINK(1) he fell", "+1 for the ladder", "plain text, with comma"]
    ledger.propose(record_of(text) for text in texts)
    path = tmp_path / "sheet.csv"
    write_blind_csv(path, [record_of(text) for text in texts], "b0")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "0.1" not in path.read_text(encoding="utf-8")  # no margin, no probability
    assert ",'=HYPERLINK(1) he fell," in lines[1]
    lines[1] = lines[1].removesuffix(",,,") + ",harmful,,"
    lines[3] = lines[3].removesuffix(",,,") + ",0,,dora"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    report = import_labels(ledger, read_labels(path, {"0": "harmless"}, annotator="ann"), CLASSES)
    assert (report.rows, report.counts["new"], report.exit_code) == (2, 2, 0)
    assert current_labels(ledger)[text_uid(texts[2])][0].annotator == "dora"
    assert current_labels(ledger)[text_uid(texts[0])][0].annotator == "ann"


def test_damaged_csv_rows_are_named(tmp_path, ledger, texts, label_of):
    path = tmp_path / "labels.csv"
    write_labels(path, [label_of(texts[0]), label_of(texts[1]), label_of(texts[2])])
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[2] = lines[2].replace(",false,", ",maybe,", 1)
    lines[3] = lines[3][:50]
    path.write_text("\n".join(lines[:4]), encoding="utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert report.counts["new"] == 1
    said = "\n".join(map(str, report.findings))
    assert "labels.csv:3: rejected: a cell cannot be read: shown_prediction: expected true or false" in said
    assert "labels.csv:4: rejected: expected 17 cells; the line is cut off" in said


def test_a_quote_that_never_ends_is_named(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('uid,label,annotator\na,harmful,ann\nb,harmful,"ann', encoding="utf-8")
    rows = read_labels(path)
    assert (rows[0].label.label, rows[0].label.annotator) == ("harmful", "ann")
    assert (rows[1].line, rows[1].label) == (3, None)
    assert "damaged CSV" in rows[1].error


def test_files_of_other_kinds_are_refused(tmp_path):
    for name, content, message in (
        ("labels.xlsx", b"PK", "expected a file that ends in .csv"),
        ("missing.jsonl", None, "expected a file, found nothing there"),
        ("latin.csv", b"uid,label\nx,\xe9", "latin.csv:2: byte 3: expected UTF-8"),
        ("other.csv", b"a,b\n1,2", "expected the columns uid and label"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_labels(tmp_path / name)


def test_files_that_are_complete_take_back_what_they_lack(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    first = [label_of(texts[0]), label_of(texts[1]), label_of(texts[1], repeat=1), label_of(texts[2], who="bob")]
    write_labels(path, first)
    import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    write_labels(path, [label_of(texts[1])])
    partial = import_labels(ledger, FileImporter(str(path)).rows(ledger), CLASSES)
    assert partial.counts["withdrawn"] == 0  # partial files are normal
    path.write_text(path.read_text(encoding="utf-8") + '{"uid": "half', encoding="utf-8")
    damaged = import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    assert (damaged.counts["withdrawn"], damaged.counts["rejected"]) == (0, 1)
    write_labels(path, [label_of(texts[1])])
    report = import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    assert report.counts["withdrawn"] == 2  # ann's first text, and her repeat
    assert set(current_labels(ledger)) == {text_uid(texts[1]), text_uid(texts[2])}  # bob was not in the file
    assert import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES).counts["withdrawn"] == 0
    write_labels(path, first[:2])
    again = import_labels(ledger, FileImporter(str(path)).rows(ledger), CLASSES)
    assert (again.counts["older"], again.counts["duplicate"]) == (1, 1)  # taken back, and a partial file may be old
    back = import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    assert (back.counts["new"], back.counts["duplicate"]) == (1, 1)
    assert text_uid(texts[0]) in current_labels(ledger)  # the very answer that was taken back
    again = import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    assert again.counts["duplicate"] == 2


def test_a_complete_file_with_its_history_brings_back_the_newest_answer_alone(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    history = [label_of(texts[0], "harmless"), label_of(texts[0], "harmful", minute=1), label_of(texts[1])]
    for kept in (history, history[2:], history, history):
        write_labels(path, kept)
        import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
        valid = [label.label for label in current_labels(ledger).get(text_uid(texts[0]), ())]
        assert valid == (["harmful"] if len(kept) == 3 else [])
    write_labels(path, [*history, label_of(texts[0], "withdrawn", minute=2)])
    import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    import_labels(ledger, FileImporter(str(path), complete=True).rows(ledger), CLASSES)
    assert text_uid(texts[0]) not in current_labels(ledger)


def test_taking_back_holds_although_the_clock_of_the_answer_is_ahead(ledger, texts, label_of, tmp_path):
    write_labels(tmp_path / "a.jsonl", [label_of(texts[0], minute=600), label_of(texts[1])])
    import_labels(ledger, FileImporter(str(tmp_path / "a.jsonl")).rows(ledger), CLASSES)
    write_labels(tmp_path / "a.jsonl", [label_of(texts[1])])
    import_labels(ledger, FileImporter(str(tmp_path / "a.jsonl"), complete=True).rows(ledger), CLASSES)
    assert text_uid(texts[0]) not in current_labels(ledger)
