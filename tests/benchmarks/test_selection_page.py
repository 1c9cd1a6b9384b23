"""The page of the acquisition comparison agrees with the units."""

import json

import pytest

from benchmarks.selection import page
from benchmarks.selection.unit import path_of


@pytest.fixture
def folder(tmp_path):
    """Three strategies with four seeds, one with a single seed, and two measured costs."""
    gaps = {"coverage": -0.02, "random": 0.0, "margin": 0.01, "cal": 0.5}
    for arm, gap in gaps.items():
        for seed in range(1 if arm == "cal" else 4):
            path = path_of(tmp_path, ("toxigen", "minilm", seed, arm))
            path.parent.mkdir(parents=True, exist_ok=True)
            last = {"labels": 200, "error": 0.3 + gap + seed * (0.002 if arm == "margin" else 0), "mistakes": 0.4}
            path.write_text(json.dumps({"curve": [{"labels": 100, "error": 0.5}, last]}))
    costs = {"margin/10000": [0.5, 512], "margin/1000000": [50, 5120], "cal/10000": [2.0, 2048], "cal/1000000": None}
    (tmp_path / "scaling.json").write_text(json.dumps(costs))
    return tmp_path


def cells(text, name):
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_differences_to_random_choice_in_points(folder):
    text = page.page(page.kept([folder], {}))
    comparison, costs = text.split("## What a choice")
    assert "100 labels at the start, 200 at the end, 4 seeds; left out as they have few seeds: cal." in comparison
    assert "| strategy | error | error, mean of the rounds | mistakes in a batch | *p* |" in comparison
    assert cells(comparison, "random")[:3] == ["30.0", "40.0", "40.0"]
    assert cells(comparison, "**coverage**") == ["**-2.0 ± 0.0**", "**-1.0 ± 0.0**", "+0.0 ± 0.0", ""]
    # 1.0, 1.2, 1.4, 1.6 points: mean 1.3, half-width t(3) 0.258 / 2 = 0.41
    assert cells(comparison, "margin")[0] == "**+1.3 ± 0.4**"
    assert "| 10,000 texts | 1,000,000 texts |" in costs
    assert cells(costs, "margin") == ["0.5 s, 0.5 GB", "50.0 s, 5.0 GB"]
    assert cells(costs, "cal") == ["2.0 s, 2.0 GB", "stopped"]


def test_a_later_folder_replaces_strategies(folder, tmp_path_factory):
    later = tmp_path_factory.mktemp("later")
    path = path_of(later, ("toxigen", "minilm", 0, "cal"))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"curve": [{"labels": 100, "error": 0.5}, {"labels": 200, "error": 0.1}]}))
    kept = page.kept([folder, later], {})["toxigen/minilm"]
    assert kept["cal"]["error"] == [0.1]
    assert kept["random"]["seed"] == [0, 1, 2, 3]


def test_the_kept_file_reads_back_and_gives_the_same_page(folder, tmp_path, monkeypatch, capsys):
    paths = [tmp_path / "kept.json", tmp_path / "page.md"]
    arguments = ["--kept", str(paths[0]), "--page", str(paths[1])]
    monkeypatch.setattr("sys.argv", ["x", "--units", str(folder), *arguments])
    page.main()
    first = [path.read_text("utf-8") for path in paths]
    assert json.loads(first[0]) == json.loads(json.dumps(page.kept([folder], {})))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["toxigen/minilm/coverage_minus_random"] == [-2.0, -2.0, -2.0]
    monkeypatch.setattr("sys.argv", ["x", *arguments])
    page.main()
    assert [path.read_text("utf-8") for path in paths] == first
