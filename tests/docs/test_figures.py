"""Figures of runs in the documents: copied by the command, small, and present if a page shows them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs.generators.figures import COLOURS, OF_A_RUN, copy_figures
from tests.conftest import ROOT
from vos.harmful import Classes
from vos.training.comparison_plots import metrics_against, mistakes
from vos.training.round_plots import margins_by_round


def test_the_command_copies_what_there_is_in_few_colours(tmp_path):
    run, docs = tmp_path / "run", tmp_path / "docs"
    run.mkdir()
    margins = {0: np.linspace(-2.0, 2.0, 20)}
    for name in OF_A_RUN:
        margins_by_round(run / name, margins, np.arange(20) % 2, 0.5, 0, Classes(("no", "yes"), (1,)))
    mistakes(run / "mistakes.png", {0: {"near the boundary": (3, 8)}})
    written = copy_figures([run, run], docs)
    assert [path.relative_to(docs).as_posix() for path in written] == [
        "boundary.png", "pictures/boundary_by_round.png", "pictures/reliability.png", "pictures/mistakes.png",
    ]  # fmt: skip
    for path in written:
        with Image.open(path) as copy, Image.open(run / path.name) as picture:
            assert copy.size == picture.size
            assert len(copy.getcolors()) <= COLOURS
            apart = np.abs(np.asarray(copy.convert("RGB"), float) - np.asarray(picture.convert("RGB"), float))
        assert apart.mean() < 2.0  # it looks the same
    metrics_against(run / "comparison.png", "outliers.distance", [0.5, 0.9], {"boundary/val/brier": [[0.1], [0.2]]})
    (run / "comparison.png").rename(run / "labelling_rounds.png")
    left_out = Path("-")
    (rounds,) = copy_figures([left_out, left_out, left_out, run], docs)
    assert rounds == docs / "pictures/labelling_rounds.png"
    with pytest.raises(FileNotFoundError):
        copy_figures([tmp_path / "nothing"], docs)


def test_pictures_of_the_pages_are_there_and_small():
    shown = {
        (page.parent / link).resolve()
        for page in (ROOT / "docs").rglob("*.md")
        for link in re.findall(r"!\[[^\]]+\]\(([^)]+\.png)\)", page.read_text("utf-8"))
    }
    assert ROOT / "docs/boundary.png" in shown
    assert set((ROOT / "docs/pictures").glob("*.png")) <= shown  # none that nobody sees
    assert all(path.stat().st_size < 100_000 for path in shown if path.is_relative_to(ROOT / "docs"))
