"""Batches as files."""

from __future__ import annotations

import csv
import errno
import json
import os

import pytest

from tests.labeling.examples import EVIDENCE
from vos.errors import DataError
from vos.labeling import read_jsonl, text_uid, write_csv, write_jsonl
from vos.storage.atomic import write_atomically


def test_jsonl_round_trip_keeps_every_character(tmp_path, record_of):
    texts = [
        "line separator \u2028 inside",
        "next line \x85 too",
        "emoji 😀 \u202eleft",
        "a\nb\r\nc",
        "x" * 20_000,
    ]
    records = [record_of(text) for text in texts]
    write_jsonl(tmp_path / "b.jsonl", records)
    assert read_jsonl(tmp_path / "b.jsonl") == records


def test_csv_neutralises_formulas(tmp_path, record_of):
    write_csv(tmp_path / "b.csv", [record_of(text) for text in ("=1+1", "+a", "-b", "@c", "fine")])
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ["'=1+1", "'+a", "'-b", "'@c", "fine"]


def test_damaged_batches_name_file_and_line(tmp_path, record_of):
    path = tmp_path / "b.jsonl"
    write_jsonl(path, [record_of("a"), record_of("b")])
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:-9], encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.jsonl:2: expected one boundary record"):
        read_jsonl(path)
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.jsonl:1: expected one boundary record"):
        read_jsonl(path)


def test_both_formats_carry_the_evidence(tmp_path, record_of):
    made, random = record_of("a", **EVIDENCE), record_of("b", target=None)
    write_jsonl(tmp_path / "b.jsonl", [made])
    write_csv(tmp_path / "b.csv", [random, made])
    assert read_jsonl(tmp_path / "b.jsonl") == [made]
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        second, first = csv.DictReader(file)
    assert json.loads(first.pop("provenance_parents")) == list(made.provenance.parents)
    assert first == {
        name: "" if value is None else str(value)
        for name, value in made.as_row().items()
        if name != "provenance_parents"
    }
    assert (first["target_max_distance"], first["provenance_seed"]) == ("0.75", "31415926")
    assert (second["provenance_parents"], second["provenance_prompt_hash"], second["target_id"]) == ("[]", "", "")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "b.jsonl"
    write_atomically(path, "old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"what was there before is untouched.*No space left"):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_uid_ignores_white_space_and_composition():
    assert text_uid("caf\u00e9  ole\n") == text_uid("cafe\u0301 ole")
    assert text_uid("a") != text_uid("b")
