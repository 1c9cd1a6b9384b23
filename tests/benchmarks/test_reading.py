"""The blind sheet of generated and real texts."""

from __future__ import annotations

import csv
import json

import pytest

from benchmarks.generation import reading
from tests.labeling.examples import make_record
from vos.labeling import write_jsonl


@pytest.fixture
def folder(tmp_path):
    records = [make_record(f"made text {i}", "prefix_conditioned", id=f"made-{i}") for i in range(6)]
    write_jsonl(tmp_path / "batch.jsonl", [*records, make_record("a text of the pool")])
    (tmp_path / "real.csv").write_text("text\n" + "".join(f"real text {i}\n" for i in range(9)))
    reading.sheet([tmp_path / "batch.jsonl"], str(tmp_path / "real.csv"), tmp_path / "sheet", 5, 3, seed=1)
    return tmp_path / "sheet"


def rows(folder):
    with (folder / "sheet.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def answers(folder, name, bad):
    path = folder / name
    path.write_text("number,readable\n" + "".join(f"{n},{'no' if n in bad else 'yes'}\n" for n in range(1, 9)))
    return path


def test_the_sheet_is_blind_and_the_key_is_true(folder):
    key = json.loads((folder / "key.json").read_text())
    found = rows(folder)
    assert [set(row) for row in found] == [{"number", "text"}] * 8
    for row in found:
        assert key[row["number"]] == ["real" if row["text"].startswith("real") else "made"]
    assert sorted(key.values()) == [["made"]] * 5 + [["real"]] * 3
    assert [row["text"] for row in found] != sorted(row["text"] for row in found)


def test_the_score_counts_by_kind_and_reader(folder):
    key = {int(n): kind for n, kind in json.loads((folder / "key.json").read_text()).items()}
    made, real = ([n for n, kind in key.items() if (kind == ["real"]) == flag] for flag in (False, True))
    first, second = answers(folder, "a.csv", {made[0], made[1], real[0]}), answers(folder, "b.csv", {made[1]})
    result = reading.score(folder, [first, second])
    assert result["made/reader 1"][:2] == [2, 5]
    assert result["made/reader 2"][:2] == [1, 5]
    assert result["real/reader 1"][:2] == [1, 3]
    assert result["made/every reader"] == [1, 5]
    assert result["made/any reader"] == [2, 5]
    assert result["agreement"] == 0.75  # 6 of 8
    chance = (5 / 8) * (7 / 8) + (3 / 8) * (1 / 8)
    assert result["kappa"] == pytest.approx((0.75 - chance) / (1 - chance), abs=1e-3)


def test_batches_are_told_apart_and_what_they_share_is_read_once(tmp_path):
    batches = [tmp_path / f"{name}.jsonl" for name in "ab"]
    for path, texts in zip(batches, [("both", "first"), ("both", "second", "third")], strict=True):
        write_jsonl(path, [make_record(text, "lm", id=text) for text in texts])
    reading.sheet(batches, "everyday", tmp_path / "sheet", 9, 2, seed=0)
    texts = {int(row["number"]): row["text"] for row in rows(tmp_path / "sheet")}
    assert len(texts) == 6
    assert list(texts.values()).count("both") == 1
    own = {texts[int(n)]: kinds for n, kinds in json.loads((tmp_path / "sheet/key.json").read_text()).items()}
    assert own["both"] == [str(path) for path in batches]
    assert own["first"] == [str(batches[0])]
    path = tmp_path / "answers.csv"
    lines = (f"{n},{'no' if text in ('both', 'third') else 'yes'}\n" for n, text in texts.items())
    path.write_text("number,readable\n" + "".join(lines))
    result = reading.score(tmp_path / "sheet", [path])
    assert result[f"{batches[0]}/reader 1"][:2] == [1, 2]
    assert result[f"{batches[1]}/reader 1"][:2] == [2, 3]
    assert result["real/reader 1"][:2] == [0, 2]


def test_missing_and_strange_answers_are_refused(folder):
    path = answers(folder, "a.csv", set())
    path.write_text(path.read_text().replace("3,yes\n", ""))
    with pytest.raises(SystemExit, match=r"7 answers, \[3\] missing"):
        reading.score(folder, [path])
    path = answers(folder, "b.csv", set())
    path.write_text(path.read_text().replace("3,yes", "3,perhaps"))
    with pytest.raises(SystemExit, match="perhaps"):
        reading.score(folder, [path])
