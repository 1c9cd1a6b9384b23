"""Large inputs in the quick size, the page with their figures, and slopes."""

from __future__ import annotations

import json

import pytest

from benchmarks.load import page, training_set
from benchmarks.load.promises import PROMISES
from benchmarks.load.soak import slope_of
from benchmarks.load.sweep import compared
from tests.benchmarks.programs import run
from tests.conftest import ROOT


def test_the_page_is_what_its_figures_give():
    assert page.page(json.loads(page.KEPT.read_text("utf-8"))) == page.PAGE.read_text("utf-8")


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_every_promise_names_tests_that_are_there(promise, tests):
    assert all((ROOT / each.strip("` ")).is_file() for each in tests.split(","))


def test_figures_of_three_programs_are_told_apart():
    kinds = [page.kind_of(each) for each in ({"differences": 0}, {"turns": 3}, {"machine": ""})]
    assert kinds == ["fuzz", "soak", "load"]
    assert "not measured" in page.page({"load": {"ledger_10/import_per_cpu_s": 5.0}})


def test_a_slope_has_an_interval():
    assert slope_of([7, 1, 2, 3, 4, 5, 6]) == (1.0, 0.0)
    slope, half = slope_of([0, 0, 0, 5, 1, 4, 2, 3, 5, 1])
    assert abs(slope) < half
    assert slope_of([3] * 9) == (0.0, 0.0)


def test_many_folders_of_runs_are_compared():
    seconds, counts = compared(200)
    assert counts == {"runs": 200, "failed": 2, "rows": 198, "settings": 40}
    assert seconds > 0


def test_a_large_training_set_is_cut_whole(tmp_path):
    assert training_set.loaded(tmp_path / "a.csv", 2_000) > 0


@pytest.mark.slow
def test_the_ledger_in_its_quick_size(tmp_path):
    result = run("load", "--ledgers", 200, 400, "--parts", "keys", "--quick", "--output", tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["ledger_400/labels"] == 1_200
    assert figures["ledger/import_ratio"] > 0
    assert figures.get("keys/answered", 200) == 200  # absent where there is no Chromium
