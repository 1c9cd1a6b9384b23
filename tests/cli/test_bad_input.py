"""Synthesis with an index, and with invalid input, through the command."""

from __future__ import annotations

import json

import pytest

import synthesize
from tests.cli.commands import call, failing, synthesis


def report_of(folder):
    return json.loads((folder / "synthesis.json").read_text("utf-8"))


def test_every_index_gives_the_batch_of_brute_force(run, monkeypatch, tmp_path):
    pytest.importorskip("faiss", reason="faiss is in the extra 'retrieval'")
    every = "acquisition.approximate.probes=1024"
    for kind, more in (("none", []), ("exact", []), ("approximate", [every])):
        call(synthesize.main, monkeypatch,
             *synthesis(run, f"output={tmp_path / kind}", "acquisition=targets",
                        f"acquisition.index={kind}", *more))  # fmt: skip
    batches = {}
    for kind in ("none", "exact", "approximate"):
        rows = [json.loads(line) for line in (tmp_path / kind / "near_boundary.jsonl").read_text("utf-8").splitlines()]
        batches[kind] = [
            (row["id"], row["target"] and (row["target"]["id"], pytest.approx(row["target"]["distance"])))
            for row in rows
        ]
    assert batches["none"] == batches["exact"] == batches["approximate"]
    assert report_of(tmp_path / "exact")["index"] == {"kind": "exact"}
    assert report_of(tmp_path / "approximate")["index"] == {"kind": "approximate", "recall_at_10": 1.0}
    assert len(list((run.parent / "cache/pools").glob("*.f32"))) == 1  # computed once, used twice


def test_an_unknown_index_is_refused(run, monkeypatch, capsys, tmp_path):
    error = failing(synthesize.main, monkeypatch, capsys,
                    *synthesis(run, f"output={tmp_path}", "acquisition=targets", "acquisition.index=ivf"))  # fmt: skip
    assert "acquisition.index: expected one of ['none', 'exact', 'approximate'], got 'ivf'" in error


def test_random_picks_alone_are_no_success(run, monkeypatch, capsys, tmp_path):
    narrow = "candidates.selection.max_distance=1e-9"
    command = synthesis(run, f"output={tmp_path}", "acquisition=targets", narrow)
    error = failing(synthesize.main, monkeypatch, capsys, *command)
    assert "60 scored, none taken; dropped {'farther than max_distance from its target': " in error
    assert "nothing but this report is written" in error
    assert report_of(tmp_path)["chosen"]["random"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["synthesis.json", "synthesis.yaml"]


def test_a_failed_synthesis_leaves_the_older_batch_and_reports_apart_from_it(run, monkeypatch, capsys, tmp_path):
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    command = synthesis(run, f"output={tmp_path}", "overwrite=true", "candidates.selection.max_margin=0")
    failing(synthesize.main, monkeypatch, capsys, *command)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert sorted(path.name for path in (tmp_path / "unfinished").iterdir()) == ["synthesis.json", "synthesis.yaml"]


def test_a_pool_of_one_side_is_said(run, monkeypatch, capsys, tmp_path):
    # This classifier, hardly trained, sees all texts of the pool on one side.
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}"))
    report = report_of(tmp_path)
    assert sorted(report["pool_by_side"].values()) == [0, 60]
    (warning,) = report["warnings"]
    assert "all 60 texts of the pool are predicted as harm" in warning
    assert "add texts of the other side" in warning
    assert warning in capsys.readouterr().out
