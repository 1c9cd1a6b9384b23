"""The tutorial from top to bottom: its files, its commands and its answers, on a tiny encoder."""

import re
import shlex

import pytest

import synthesize
import train
from tests.cli.commands import call
from tests.conftest import ROOT
from tests.schemas import of_file
from vos.labeling import Label, Ledger, read_jsonl, write_labels

TEXT = (ROOT / "docs/tutorial.md").read_text("utf-8")
PROGRAMS = {"train.py": train.main, "synthesize.py": synthesize.main}
FEWER = 120
"""Rows that are kept of each file, so that the test takes seconds."""

OF_A_TINY_ENCODER = ["candidates.n_directions=4", "candidates.targets_per_class=8", "progress=false",
                     "candidates.selection.near_duplicate=1.0", "candidates.selection.max_cosine=null"]  # fmt: skip
"""Settings of a selection in 16 dimensions, where all texts look alike."""


@pytest.mark.slow
def test_the_tutorial_leads_to_a_second_classifier(tiny_encoder, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], {})  # noqa: S102 - our own page
    for name in ("comments.csv", "unlabelled.csv"):
        path = tmp_path / name
        path.write_text("\n".join(path.read_text("utf-8").split("\n")[: FEWER + 1]) + "\n", "utf-8")
    quick = [f"model.name={tiny_encoder}", "model.max_length=32", "model.freeze=true", "trainer.max_epochs=1",
             "refine.rounds=1", "refine.n_outliers=10", "callbacks=quiet", "logger=csv"]  # fmt: skip
    cache = f"paths.cache={tmp_path / 'cache'}"
    lines = re.findall(r"^python (train|synthesize)(\.py) (.*)$", TEXT, re.MULTILINE)
    assert len(lines) == 5
    for program, ending, arguments in lines:
        given = [*shlex.split(arguments), cache]
        if program == "train":
            given += quick if "run=runs/first" not in given else ["trainer.max_epochs=1", "callbacks=quiet"]
        else:
            given += OF_A_TINY_ENCODER
        if "dry_run=true" in given:
            answer(tmp_path)
            with pytest.raises(SystemExit) as stop:
                call(train.main, monkeypatch, *given)
            assert stop.value.code in (0, None)
            continue
        call(PROGRAMS[program + ending], monkeypatch, *given)
    first, second = (read_jsonl(tmp_path / f"runs/{name}/near_boundary.jsonl") for name in ("first", "second"))
    assert len(first) >= 40
    asked_once = {each.uid for each in first if each.chosen != "gold"} & {
        each.uid for each in second if each.chosen != "gold"
    }
    assert asked_once == set()
    with Ledger(tmp_path / "labels/ledger.sqlite") as ledger:
        assert len(ledger.items()) >= 80
    assert (tmp_path / "labels/labelling_rounds.csv").exists()
    for name in ("first", "second"):
        for file in ("manifest.json", "metrics.json", "near_boundary.jsonl"):
            assert of_file(file.partition(".")[0], tmp_path / "runs" / name / file) == []
    assert of_file("answer", tmp_path / "answers.jsonl") == []
    assert of_file("labelling_round", tmp_path / "labels/labelling_rounds.jsonl") == []
    assert "near the boundary" in capsys.readouterr().out


def answer(folder):
    """What a person would download from the page: every text answered."""
    records = read_jsonl(folder / "runs/first/near_boundary.jsonl")
    labels = [
        Label(each.uid, "ann", ("no", "yes")[i % 3 == 0], "2026-11-21T10:00:00Z") for i, each in enumerate(records)
    ]
    write_labels(folder / "answers.jsonl", labels)
