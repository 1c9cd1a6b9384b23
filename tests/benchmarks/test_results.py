"""The result pages agree with the stored tables."""

import json

import pytest

from benchmarks._common import ROOT
from benchmarks.ablation import refinement_page
from benchmarks.ablation.report import EVERYTHING, pages
from benchmarks.ablation.results import dumped, read_results
from benchmarks.selection import page as selection_page

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def results():
    return read_results(DOCS / "results")


def test_the_pages_are_what_the_tables_give(results):
    first = (DOCS / "RESULTS.md").read_text("utf-8")
    expected, everything = pages(results, first)
    assert first == expected
    assert (DOCS / EVERYTHING).read_text("utf-8") == everything


def test_every_file_is_written_as_the_writer_writes_it(results):
    for (task, depth), tables in results.items():
        assert (DOCS / "results" / task / f"{depth}.json").read_text("utf-8") == dumped(tables)


def test_every_row_has_a_cell_for_every_column(results):
    tables = [table for by_name in results.values() for table in by_name.values()]
    assert len(tables) == 60
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_the_page_of_refinement_is_what_its_figures_give():
    figures = json.loads(refinement_page.KEPT.read_text("utf-8"))
    assert refinement_page.KEPT.read_text("utf-8") == refinement_page.dumped(figures)
    assert refinement_page.PAGE.read_text("utf-8") == refinement_page.page(figures)


def test_the_page_of_choices_is_what_its_figures_give():
    figures = json.loads(selection_page.KEPT.read_text("utf-8"))
    assert selection_page.KEPT.read_text("utf-8") == selection_page.dumped(figures)
    assert selection_page.PAGE.read_text("utf-8") == selection_page.page(figures)
