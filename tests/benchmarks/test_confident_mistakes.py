"""Confident mistakes are far from the training texts, and the expected error detects them, on real texts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.selection import confident_mistakes
from tests.benchmarks.programs import run


def test_without_public_data_one_line_names_the_variable(monkeypatch, capsys):
    monkeypatch.delenv("VOS_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["", "--quick"])
    with pytest.raises(SystemExit) as ended:
        confident_mistakes.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert "VOS_DATA" in json.loads(line)["skipped"]


@pytest.mark.slow
def test_the_farthest_of_confident_texts_err_more_and_the_expected_error_finds_them():
    if not os.environ.get("VOS_DATA"):
        pytest.skip("CONFIDENT MISTAKES NOT TESTED: set VOS_DATA to the folder that holds toxigen/toxigen.json")
    done = run("selection.confident_mistakes", "--seeds", 10, VOS_DATA=str(Path(os.environ["VOS_DATA"]).resolve()))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    # Ten seeds of four quarters of some 155 texts. With 20 seeds the ratios were 2.9 and 11; half of that is asked for.
    assert found["seeds"] == 10
    assert found["distance_ratio"] > 1.5
    assert found["expected_error_ratio"] > 5.0
    assert found["expected_error_ratio"] > found["margin_ratio"]
    assert found["brier_gain"] + found["brier_gain_half_width"] < 0.0
