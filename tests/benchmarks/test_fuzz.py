"""A sample of the fuzzing campaign, and whether it can detect a fault."""

from __future__ import annotations

import json

import pytest

from benchmarks.fuzz import campaign, runs, tables
from benchmarks.fuzz.__main__ import FORMATS
from benchmarks.fuzz.outcome import ANY, MAY, Outcome, difference
from benchmarks.fuzz.reference_json import json_rows, json_value
from benchmarks.fuzz.reference_rows import Unreadable
from benchmarks.fuzz.reference_tables import quoted_rows
from tests.benchmarks.programs import run
from vos.data import json_rows as room


@pytest.mark.slow
def test_a_sample_of_every_format_shows_no_difference(tmp_path):
    formats = [name for name in FORMATS if name != "runs"]
    result = run("fuzz", "--files", 25, "--formats", *formats, "--output", tmp_path)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert result.returncode == 0, result.stdout
    assert figures["differences"] == 0
    assert all(figures[f"{name}/files"] == 25 and figures[f"{name}/rows_loaded"] > 0 for name in formats)
    before = result.stdout
    assert (
        run("fuzz", "--files", 25, "--formats", *formats, "--output", tmp_path).stdout == before
    )  # nothing done again


def test_a_reader_that_loses_a_row_is_seen(tmp_path, monkeypatch):
    case = tables.Case(".jsonl", b'{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\nnull\n')
    told, found = tables.check(case, tmp_path)
    assert (told, len(found.rows), set(found.rejected)) == ("", 2, {3})
    monkeypatch.setattr(tables, "read_table", lambda *_: Outcome({1: ("a", "x")}, {3: "null"}))
    assert tables.check(case, tmp_path)[0] == "rows that are neither loaded nor named: lines [2]"
    monkeypatch.undo()
    monkeypatch.setattr(room, "_as_row", lambda value: value or {"text": "made", "label": "x"})
    assert tables.check(case, tmp_path)[0].startswith("line 3: loaded as ('made', 'x'), the reference rejects it")


def test_a_file_that_shows_a_difference_is_kept(tmp_path):
    counts = campaign.run_block("csv", tables.delimited(","), lambda *_: ("lost", Outcome()), 2, 0, tmp_path)
    assert counts.differences == ["lost", "lost"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".told"}


ROWS = Outcome({1: ("a", "x")}, {2: "bad"})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Outcome({1: ("a", "x")}, {2: "else"}), ""),
        (Outcome({1: ("a", "y")}, {2: "else"}), "line 1: loaded as"),
        (Outcome({1: ("a", "x"), 2: ("b", "x")}), "line 2: loaded as"),
        (Outcome({}, {1: "bad", 2: "bad"}), "line 1: rejected (bad)"),
        (Outcome({1: ("a", "x")}, {2: "", 3: ""}), "rows that the file does not have: lines [3]"),
        (Outcome(refused="no"), "refused (no), the reference reads 1 rows"),
    ],
)
def test_differences_in_words(found, words):
    assert difference([ROWS], found).startswith(words)
    assert bool(difference([ROWS], found)) == bool(words)
    assert difference([ROWS], Outcome(refused="no"), may_refuse=True) == ""


def test_what_the_reference_leaves_open():
    wanted = Outcome({1: ("a", ANY), 2: MAY})
    for found in (Outcome({1: ("a", "b"), 2: 3}), Outcome({}, {1: "", 2: ""})):
        assert difference([wanted], found) == ""
    assert difference([wanted], Outcome({1: ("b", "b"), 2: 3})) != ""
    assert difference([Outcome(refused="x")], ROWS).startswith("read 1 rows, the reference refuses")


BROKEN = ["[1,]", '{"a": 1,}', "01", '"\x01"', "[1 2]", "nul", '"\\x"', "1 1", "[" * 9_999]


@pytest.mark.parametrize("bad", BROKEN)
def test_the_reference_reads_json_strictly(bad):
    with pytest.raises(Unreadable):
        json_value(bad)


def test_the_reference_reads_json():
    escaped = '{"a": [1, -2.5e3, "\\ud83d\\ude00\\u0041"], "b": null}'
    assert json_value(f" {escaped} ") == {"a": [1, -2500.0, "😀A"], "b": None}
    assert json_rows('[\n{"a": 1},\r\n3]') == [(2, {"a": 1}), (3, "no object")]
    with pytest.raises(Unreadable, match="too deep"):
        json_rows('[{"a": ' + "[" * 9_999)
    with pytest.raises(Unreadable, match="a name twice"):
        json_value('{"a": 1, "a": 2}')


def test_the_reference_reads_quotes():
    text = 'a,b\n"x\n""y""",2\r\n\n3\n'
    assert quoted_rows(text, ",") == [(2, {"a": 'x\n"y"', "b": "2"}), (5, "of another width")]
    for bad in ('a\n"x', 'a\n"x"y', "a\nx\ry"):
        with pytest.raises(Unreadable):
            quoted_rows(bad, ",")


@pytest.mark.slow
def test_a_run_that_somebody_edited_is_refused_in_one_line(tmp_path):
    evil = b"model: {_target_: os.system, _args_: ['touch {ran}']}"
    told, found = runs.check(runs.RunCase("config.yaml", "", evil, False), tmp_path)
    assert told == ""
    assert "expected a class that the configuration of this package names" in found.refused
    for replaced in ("outside", "loop"):
        told, found = runs.check(runs.RunCase("manifest.json", replaced, b"", False), tmp_path)
        assert (told, found.refused == "") == ("", replaced == "outside")
