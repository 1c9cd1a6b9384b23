"""The fault campaign counts correctly, and the reliability page names existing tests."""

import re

from benchmarks.faults import page
from benchmarks.faults.programs import Instant, forked
from benchmarks.faults.results import NOTED, counted, total
from benchmarks.faults.scenarios import differences, doubled, lost
from tests.conftest import ROOT
from vos.storage.json_files import read_json

CLEAN = {"told": [], "differences": [], **dict.fromkeys(NOTED[:3], 0), "tracebacks": 0, "hung": 0, "unexplained": 0}


def test_every_kind_of_loss_is_counted():
    found = counted(
        [
            {"group": "a", **CLEAN, "told": ["error: no room"], "differences": ["run/metrics.json", "x"]},
            {"group": "a", **CLEAN, "lost": 2, "doubled": 1, "kills": 200, "tracebacks": 3},
            {"group": "b", "skipped": "needs root"},
        ]
    )
    assert found["a"]["units"] == 2
    assert found["a"]["events"] == 201
    assert [found["a"][name] for name in NOTED] == [2, 1, 0, 1, 3, 0, 0]
    assert (found["b"]["skipped"], found["b"]["events"]) == (1, 0)
    assert total(found)["told"] == 1
    table = page.table({"machine": "a machine", "parts": found})
    assert "| b (1 not run) | 1 | 0 |" in table
    assert "| **all** (1 not run) | 3 | 201 | 1 | 2 | 1 | 0 | 1 | 3 | 0 | 0 |" in table


def test_rows_that_are_missing_or_there_twice_are_seen():
    row = ["labelled", "uid", "b", "ann", {"label": "yes"}]
    reference = {"ledger a.sqlite": [row, ["sent", "uid", "b", "page", {}]], "run/metrics.json": "1"}
    assert (lost({"ledger a.sqlite": []}, reference), lost(reference, reference)) == (1, 0)
    assert doubled({"ledger a.sqlite": [row, row]}) == 1
    assert differences({"run/metrics.json": "2"}, reference) == ["ledger a.sqlite", "run/metrics.json"]


def test_a_process_is_killed_before_the_operation_asked_for(tmp_path):
    def job():
        for name in "abc":
            (tmp_path / "work" / name).write_text(name)

    whole = forked(job, tmp_path / "work")
    assert (whole.code, whole.steps) == (0, 3)
    for step in range(3):
        for path in (tmp_path / "work").iterdir():
            path.unlink()
        ended = forked(job, tmp_path / "work", at=Instant(step=step))
        assert (ended.code, ended.steps) == (None, step)
        assert sorted(path.name for path in (tmp_path / "work").iterdir()) == sorted("abc"[:step])

    def fail():
        raise ValueError("of the program")

    assert forked(fail, tmp_path / "work").traces == 1


def test_the_page_of_promises_names_tests_and_units_that_there_are():
    text = page.PAGE.read_text("utf-8")
    promises = [line for line in text.split("## Promises")[1].split("##")[0].splitlines() if line.startswith("| ")][1:]
    assert len(promises) > 10
    for line in promises:
        held = line.split("|")[2]
        assert "`tests/" in held or "units" in held, line
        for path in re.findall(r"`(tests/[^`]+)`", held):
            assert (ROOT / path).is_file(), path
    kept = read_json(page.KEPT)
    assert page.table(kept) in text
    groups = " ".join(kept["parts"])
    for name in re.findall(r"\*([^*]+)\*", " ".join(promises)):
        assert name in groups, name
