"""labels=oracle as a command: a batch is exported, the stored answers are imported, the next round is trained."""

from __future__ import annotations

import json

import pytest

import synthesize
import train
from tests.cli.commands import call, failing, synthesis
from tests.conftest import HARMFUL, HARMLESS
from vos.labeling import Label, Ledger, read_jsonl, write_labels
from vos.storage.json_files import read_json, write_json_lines

SPLITS = {"train": 40, "val": 16, "test": 16, "pool": 60}


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_corpus(folder):
    """A corpus in the layout of the embedded ones, and the stored labels of its pool."""
    rows, labels = [], []
    for start, (split, n) in enumerate(SPLITS.items()):
        for i in range(n):
            text = f"on day {1000 * start + i} {(HARMLESS, HARMFUL)[i % 2][(i // 2) % 3]}, said number {i * 7}"
            hidden = {"id": f"{split}-{i}", "label": i % 2, "level": 0}
            shown = dict.fromkeys(hidden, None) | {"id": hidden["id"]} if split == "pool" else hidden
            rows.append({**shown, "text": text, "setting": f"{split} {i // 4}", "pair": None, "split": split})
            labels += [hidden] if split == "pool" else []
    folder.mkdir(exist_ok=True)
    write_json_lines(folder / "corpus.jsonl", rows)
    write_json_lines(folder / "pool_labels.jsonl", labels)


@pytest.fixture(scope="module")
def own_run(tmp_path_factory, tiny_encoder, workplace):
    folder = tmp_path_factory.mktemp("oracle")
    write_corpus(folder / "corpus")
    quick = [each for each in workplace[1] if not each.startswith("data")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(train.main, patch, *quick, f"data.directory={folder / 'corpus'}", "logger=none",
             f"hydra.run.dir={folder / 'run'}")  # fmt: skip
    return folder / "run"


def test_the_stored_answers_come_back_marked_and_once(own_run, monkeypatch, tmp_path, capsys):
    ledger = f"ledger={tmp_path / 'ledger.sqlite'}"
    asked = [o for o in synthesis(own_run, f"output={tmp_path}", ledger) if o != "labeling=none"]
    call(synthesize.main, monkeypatch, *asked)
    records = {record.uid: record for record in read_jsonl(tmp_path / "near_boundary.jsonl")}
    own = ["labels=oracle", ledger, f"run={own_run}", "logger=none"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        call(train.main, monkeypatch, *own, "dry_run=true", f"hydra.run.dir={tmp_path / 'rehearsal'}")
    assert caught.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Answers of a declared oracle, no person (rehearsal, nothing is kept)" in said
    assert f"rows {len(records)}: {len(records)} new" in said
    with Ledger(tmp_path / "ledger.sqlite") as kept:
        assert kept.labels() == []
    call(train.main, monkeypatch, *own, f"hydra.run.dir={tmp_path / 'next'}")
    said = " ".join(capsys.readouterr().out.split())
    assert f"answered by a declared oracle, no person {len(records)} texts" in said
    assert f"of its {len(records)} labels a declared oracle, no person, gave {len(records)}" in said
    truth = {row["id"]: row["label"] for row in rows_of(own_run.parent / "corpus/pool_labels.jsonl")}
    with Ledger(tmp_path / "ledger.sqlite") as kept:
        labels = [label for _, label in kept.labels()]
    assert {label.uid: label.label for label in labels} == {
        uid: ("harmless", "harmful")[truth[record.id]] for uid, record in records.items()
    }
    assert {(label.annotator, label.tool) for label in labels} == {("oracle", "oracle")}
    rounds = rows_of(tmp_path / "labelling_rounds.jsonl")
    assert [(row["labels"], row["labels_of_oracle"]) for row in rounds] == [(len(records), len(records))]
    assert len((tmp_path / "next/train.jsonl").read_text("utf-8").splitlines()) == SPLITS["train"] + len(records)
    assert read_json(tmp_path / "next/manifest.json")["status"] == "finished"
    call(train.main, monkeypatch, *own, f"hydra.run.dir={tmp_path / 'again'}")
    with Ledger(tmp_path / "ledger.sqlite") as kept:
        assert len(kept.labels()) == len(records)
    goes_on_from_labels(tmp_path, monkeypatch)
    other_answers_are_told(own, tmp_path, monkeypatch, capsys)


def goes_on_from_labels(folder, monkeypatch):
    """A run that goes on from a labelled one without new labels has its texts, and stores them."""
    call(train.main, monkeypatch, f"run={folder / 'next'}", "refine.rounds=0", f"hydra.run.dir={folder / 'more'}")
    assert (folder / "more/train.jsonl").read_bytes() == (folder / "next/train.jsonl").read_bytes()
    assert not (folder / "more/new_labels.json").exists()
    next_run, more = (read_json(folder / name / "manifest.json") for name in ("next", "more"))
    assert more["data_fingerprint"] == next_run["data_fingerprint"]
    assert len(rows_of(folder / "labelling_rounds.jsonl")) == 2


def other_answers_are_told(own, folder, monkeypatch, capsys):
    """The same command is done already; answers that a finished run does not have are refused, or tried."""
    capsys.readouterr()
    call(train.main, monkeypatch, *own, f"hydra.run.dir={folder / 'next'}")
    record = read_jsonl(folder / "near_boundary.jsonl")[0]
    write_labels(folder / "a.jsonl", [Label(record.uid, "ann", "harmful", "2026-11-21T10:00:00Z")])
    files = ["labels=files", f"labels.path={folder / 'a.jsonl'}", *own[1:], f"hydra.run.dir={folder / 'next'}"]
    error = failing(train.main, monkeypatch, capsys, *files)
    assert "next: holds a run with labels=oracle, ledger=" in error
    assert "these were not imported; give another hydra.run.dir" in error
    with pytest.raises(SystemExit) as caught:
        call(train.main, monkeypatch, *files, "dry_run=true")
    assert caught.value.code == 0
    assert "rows 1: 1 new" in " ".join(capsys.readouterr().out.split())
    with Ledger(folder / "ledger.sqlite") as kept:
        assert {label.annotator for _, label in kept.labels()} == {"oracle"}
    assert (folder / "next/manifest.json").exists()


def test_data_without_stored_answers_are_refused_before_any_work(run, monkeypatch, capsys, tmp_path):
    Ledger(tmp_path / "ledger.sqlite").close()
    own = ["labels=oracle", f"ledger={tmp_path / 'ledger.sqlite'}", f"run={run}"]
    error = failing(train.main, monkeypatch, capsys, *own, f"hydra.run.dir={tmp_path / 'next'}")
    assert "labels=oracle: expected data whose answers are stored (data=embedded), found FileData" in error
    assert error.strip().count("\n") == 0
    assert not (tmp_path / "next").exists()


def test_a_corpus_that_does_not_exist_is_one_line_with_those_that_do(monkeypatch, capsys, tmp_path):
    error = failing(train.main, monkeypatch, capsys, "data.name=laddre", f"hydra.run.dir={tmp_path / 'run'}")
    assert "data.name: expected one of 'everyday', 'ladder', got 'laddre', did you mean ladder?" in error
