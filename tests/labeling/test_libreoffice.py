"""Sheets of malicious texts, opened by a real LibreOffice: no cell is a formula, and the answers can be imported."""

from __future__ import annotations

import csv
import shutil
import subprocess
import unicodedata

import pytest

from tests.hostile_texts import HOSTILE
from vos.labeling import read_labels
from vos.labeling.backends.files import write_blind_csv
from vos.labeling.item import Item

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.test";"x")',
    '=WEBSERVICE("https://evil.test")',
    '=DDE("a";"b";"c")',
    "@SUM(1+1)",
    "+1+1",
    "-1+1",
    "-5",
    "\t=1+1",
    "'=1+1",
    " =1+1",
    "\uff1d1+1",
    "{=1+1}",
)
READ = "CSV:44,34,76,1,,0,false,true,false,false,false,0,true"
"""Comma, double quotes, UTF-8, from the first line on, numbers recognised, formulas evaluated: its worst."""

FLAT, AGAIN = "fods", "csv:Text - txt - csv (StarCalc):44,34,76"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SOFFICE is None, reason="NO LIBREOFFICE (soffice): SHEETS ARE TESTED BY RULE ALONE"),
]


def converted(path, folder, kind):
    """What LibreOffice makes of a CSV file, as text."""
    folder.mkdir(exist_ok=True)
    profile = f"-env:UserInstallation=file://{folder.parent}/profile"
    command = [SOFFICE, profile, "--headless", f"--infilter={READ}", "--convert-to", kind, "--outdir", folder, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return folder / f"{path.stem}.{kind.partition(':')[0]}"


def is_whole(text):
    """Whether a sheet can hold a text: no control characters but white space, and no code points that are none."""
    return len(text) < 5_000 and all(c.isspace() or unicodedata.category(c) not in ("Cc", "Cn") for c in text)


def test_a_sheet_of_hostile_texts_holds_no_formula_and_comes_back(tmp_path):
    items = [Item(text) for text in (*FORMULAS, *filter(is_whole, HOSTILE))]
    path = tmp_path / "to_label.csv"
    write_blind_csv(path, items, "=1+1", "=ann")
    path.write_text(path.read_text("utf-8").replace(",,,", ",harmful,-1+1,"), "utf-8")
    sheet = converted(path, tmp_path / "flat", FLAT).read_text("utf-8")
    assert "table:formula" not in sheet
    assert 'value-type="float"' not in sheet
    rows = read_labels(converted(path, tmp_path / "again", AGAIN))
    assert [row.error for row in rows if row.error] == []
    assert [row.label.uid for row in rows] == [item.uid for item in items]
    assert {(row.label.annotator, row.label.batch_id) for row in rows} == {("=ann", "=1+1")}


def test_the_same_cells_without_their_apostrophe_are_formulas(tmp_path):
    """The test above can fail: asked the same way, this LibreOffice does make formulas of such cells."""
    with (tmp_path / "raw.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[text] for text in FORMULAS])
    sheet = converted(tmp_path / "raw.csv", tmp_path / "flat", FLAT).read_text("utf-8")
    assert sheet.count("table:formula=") >= 3
    assert 'value-type="float"' in sheet
