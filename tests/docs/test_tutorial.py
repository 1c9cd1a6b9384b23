"""The whole tutorial: its files, commands, answers and printed output, with a tiny encoder."""

import doctest
import json
import re
import shlex

import pytest

import synthesize
import train
from docs.generators import screens
from tests.cli.commands import call
from tests.conftest import ROOT
from tests.docs import excerpts
from tests.docs.excerpts import missing
from tests.schemas import of_file
from vos.labeling import Label, Ledger, read_jsonl, write_labels

TEXT = (ROOT / "docs/tutorial.md").read_text("utf-8")
PROGRAMS = {"train.py": train.main, "synthesize.py": synthesize.main}
FEWER = 120
"""Rows that are kept of each file, so that the test takes seconds."""

OF_A_TINY_ENCODER = ["candidates.n_directions=4", "candidates.targets_per_class=8", "progress=false",
                     "candidates.selection.near_duplicate=1.0", "candidates.selection.max_cosine=null"]  # fmt: skip
"""Settings of a selection in 16 dimensions, where all texts look alike."""


BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_leads_to_a_second_classifier(tiny_encoder, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    quick = [f"model.name={tiny_encoder}", "model.max_length=32", "model.freeze=true", "trainer.max_epochs=1",
             "refine.rounds=1", "refine.n_outliers=10", "callbacks=quiet", "logger=csv"]  # fmt: skip
    n_commands, n_lines, printed, wrong = 0, 0, "", []
    for language, content in BLOCK.findall(TEXT):
        if language == "python":
            exec(content, {})  # noqa: S102 - our own page
            printed = (tmp_path / "comments.csv").read_text("utf-8")
            cut(tmp_path)
        elif language == "text":
            wrong += missing(content, printed)
            n_lines += len(content.splitlines())
        elif found := re.match(r"python (train|synthesize)\.py (.*)$", content.replace("\\\n", "")):
            n_commands += 1
            given = [*shlex.split(found[2]), f"paths.cache={tmp_path / 'cache'}"]
            if found[1] == "synthesize":
                given += OF_A_TINY_ENCODER
            else:
                given += quick if "run=runs/first" not in given else ["trainer.max_epochs=1", "callbacks=quiet"]
            if "dry_run=true" in given:
                answer(tmp_path)
            capsys.readouterr()
            try:
                call(PROGRAMS[f"{found[1]}.py"], monkeypatch, *given)
            except SystemExit as stop:
                assert stop.code in (0, None)  # noqa: PT017 - a rehearsal ends the program
            printed = "".join(capsys.readouterr())
    assert wrong == []
    assert n_commands == 5
    assert n_lines > 50
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
    page = (tmp_path / "runs/first/label.html").read_text("utf-8")
    assert screens.QUESTION in page
    assert (tmp_path / "rule.md").read_text("utf-8").strip() == screens.GUIDELINES  # as the pictures show it


def test_an_excerpt_that_has_become_wrong_is_noticed():
    assert not doctest.testmod(excerpts).failed
    printed = "Labels\n  rows   5: 5 new\n\n random share   0   1 of 6   17% (3% to 56%)   6\ndone\n"
    assert missing("Labels\n  rows  12: 12 new\n random share   0    0 of 6   0% (0% to 39%)\n", printed) == []
    assert missing("rows  12: 12 new\nLabels\n", printed) == ["Labels"]
    assert missing("Labels\nrows  12: 12 old\n", printed) == ["rows  12: 12 old"]
    assert missing("Labels\ndone\n", printed) == ["done"]


def cut(folder):
    """Fewer rows of each file."""
    for name in ("comments.csv", "unlabelled.csv"):
        path = folder / name
        path.write_text("\n".join(path.read_text("utf-8").split("\n")[: FEWER + 1]) + "\n", "utf-8")


def answer(folder):
    """What a person would download from the page: every text answered, three of them twice."""
    page = (folder / "runs/first/label.html").read_text("utf-8")
    items = json.loads(page.split('id="batch">')[1].split("</script>")[0])["items"]
    shown = [(each["uid"], i, 0) for i, each in enumerate(items)]
    shown += [(uid, i, 1) for uid, i, _ in shown[:3]]
    labels = [
        Label(uid, "Ann", ("no", "yes")[i % 3 == 0], f"2026-11-21T10:{i:02d}:0{again}Z", repeat=again)
        for uid, i, again in shown
    ]
    write_labels(folder / "answers.jsonl", labels)
