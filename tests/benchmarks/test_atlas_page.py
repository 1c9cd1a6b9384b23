"""The page of the atlas's checks agrees with the artefacts."""

import json

import pytest

from benchmarks.atlas import page
from benchmarks.atlas.results import task_figures
from vos.atlas.artefacts import Check, write_artefact


@pytest.fixture
def folder(tmp_path):
    """Two classifiers, one of which lacks a view."""
    tasks = {}
    for name, value, dropped in (("demo", 0.91234, {}), ("davidson", 0.4, {"flips": "no | model"})):
        check = Check("near|far", value, 0.9, value > 0.9, "said", "model", control=0.5)
        artefacts = tmp_path / name / "atlas"
        write_artefact(artefacts, "texts", {"text": ["a", "b"], "near": [True, False]}, {})
        trust = {
            "checks": [{"producer": "directions", "view": "directions", **check.as_dict()}],
            "control": {"n_texts": 2, "accuracy": 0.5, "model_accuracy": 0.75},
            "dropped": dropped,
            "times": {"directions": 3.5, "texts": None},
            "peak_memory_mib": 1000,
        }
        write_artefact(artefacts, "trust", trust, {})
        tasks[name] = task_figures(tmp_path / name)
    (tmp_path / "figures.json").write_text(json.dumps({"machine": "a machine", "tasks": tasks}))
    return tmp_path


def rows(text, start):
    return [
        [cell.strip() for cell in line.replace("\\|", "!").strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {start}")
    ]


def test_a_cell_has_the_number_and_the_control_and_is_bold_where_the_check_passed(folder):
    text = page.page(page.together([folder]))
    assert rows(text, "directions: near") == [["directions: near!far", "model", "0.9", "**0.912** / 0.5", "0.4 / 0.5"]]
    assert rows(text, "demo |") == [["demo", "2", "1", "2", "0.75", "0.5", "none"]]
    assert rows(text, "davidson |")[0][-1] == "flips: no ! model"
    assert rows(text, "all |") == [["all", "3.5", "3.5"]]
    assert "On a machine." in text


def test_a_later_folder_replaces_a_classifier(folder, tmp_path_factory):
    later = tmp_path_factory.mktemp("later")
    own = json.loads((folder / "figures.json").read_text())
    own["tasks"] = {"demo": {**own["tasks"]["demo"], "n_texts": 7}}
    (later / "figures.json").write_text(json.dumps(own))
    found = page.together([folder, later])["tasks"]
    assert (found["demo"]["n_texts"], found["davidson"]["n_texts"]) == (7, 2)


def test_the_page_is_written_from_the_kept_file_alone(folder, tmp_path, monkeypatch, capsys):
    paths = [tmp_path / "kept.json", tmp_path / "page.md"]
    arguments = ["--kept", str(paths[0]), "--page", str(paths[1])]
    monkeypatch.setattr("sys.argv", ["x", "--figures", str(folder), *arguments])
    page.main()
    first = [path.read_text("utf-8") for path in paths]
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["demo/directions: near|far"] == [0.9123, 0.5]
    assert line["davidson/checks_passed"] == [0, 1]
    assert line["davidson/dropped"] == ["flips"]
    monkeypatch.setattr("sys.argv", ["x", *arguments])
    page.main()
    assert [path.read_text("utf-8") for path in paths] == first
