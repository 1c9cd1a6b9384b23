"""The embedded corpus keeps its rules, and its datasheet tells what is so."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from importlib.resources import files

import pytest

from benchmarks.corpus.measures import accuracies, measure, read_rows, repeats
from vos.data import load_embedded, load_pool_labels

FOLDER = files("vos.data") / "corpus/ladder"
LIMIT = 0.56


@pytest.fixture(scope="module")
def rows():
    return read_rows()


@pytest.fixture(scope="module")
def measured(rows):
    return measure(rows)


def test_there_is_enough_of_everything(rows):
    cells = Counter((r.label, r.level) for r in rows)
    assert len(rows) >= 2400
    assert sorted(cells) == [(y, v) for y in (0, 1) for v in range(4)]
    assert min(cells.values()) >= 300
    assert len({r.setting for r in rows}) >= 60
    assert len({r.register for r in rows}) >= 9
    pairs = defaultdict(list)
    for row in rows:
        if row.pair:
            pairs[row.pair].append(row)
    assert len(pairs) >= 400
    assert all(len(p) == 2 and {r.label for r in p} == {0, 1} for p in pairs.values())


def test_texts_have_the_form_that_was_promised(rows):
    assert len({r.id for r in rows}) == len(rows)
    assert len({r.text for r in rows}) == len(rows)
    wrong = [r.id for r in rows if not 8 <= len(r.text.split()) <= 60 or r.text != r.text.strip()]
    assert wrong == []


def test_twins_are_few_words_apart(rows):
    pairs = defaultdict(list)
    for row in rows:
        if row.pair:
            pairs[row.pair].append(Counter(re.findall(r"\w+", row.text.lower())))
    far = [name for name, (a, b) in pairs.items() if max((a - b).total(), (b - a).total()) > 9]
    assert far == []


def test_splits_go_by_setting_and_training_has_only_seen_the_obvious(rows):
    splits = defaultdict(set)
    for row in rows:
        splits[row.setting].add(row.split)
    assert all(len(each) == 1 for each in splits.values())
    assert {r.level for r in rows if r.split == "train"} == {0, 1}
    for split in ("pool", "val", "test"):
        assert {(r.label, r.level) for r in rows if r.split == split} == {(y, v) for y in (0, 1) for v in range(4)}


def test_the_pool_keeps_its_labels_to_itself():
    data = load_embedded()
    pool = list(data.pool)
    assert all(e.label is None and e.level is None and e.pair is None for e in pool)
    assert set(load_pool_labels()) == {e.id for e in pool}
    for line in (FOLDER / "corpus.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["split"] == "pool":
            assert (row["label"], row["level"], row["pair"]) == (None, None, None)


def test_no_shortcut_gives_the_label_away(measured):
    found = measured["accuracy"]
    assert found["bag_of_words_levels_2_3"] <= 0.75
    shortcuts = ("length", "first_three_words", "last_three_words", "names", "setting")
    assert {name: found[name] for name in shortcuts if found[name] > LIMIT} == {}
    assert measured["repeats"] == {"openings": 0, "phrases": 0, "near_duplicates": 0}


def test_the_audit_sees_a_shortcut_when_there_is_one(rows):
    hard = [r for r in rows if r.split != "train"][:900]
    marked = [replace(r, text=f"so then we {'all ' * 3 * r.label}{r.text}") for r in hard]
    found = accuracies(marked)
    assert found["length"] > LIMIT
    assert found["bag_of_words_levels_2_3"] > 0.75
    assert "so then we" in repeats(marked)["openings"]
    copies = [replace(r, id=f"{r.id}-copy", pair=None) for r in rows[:3]]
    assert len(repeats([*rows[:3], *copies])["near_duplicates"]) == 3


def close(first, second, path=""):
    """Equal, but for rounding of logistic regressions on another machine: 0.005 on accuracies."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            close(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, float) and path.startswith("/accuracy"):
        assert first == pytest.approx(second, abs=0.005), path
    else:
        assert first == second, path


def test_every_number_of_the_datasheet_is_recomputed(measured):
    text = (FOLDER / "DATASHEET.md").read_text("utf-8")
    stated = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))
    close(stated, measured)
    for name, value in (("bag of words on levels 2 and 3", "bag_of_words_levels_2_3"), ("length alone", "length"),
                        ("first three words alone", "first_three_words"), ("names and places alone", "names"),
                        ("last three words alone", "last_three_words"), ("setting alone", "setting")):  # fmt: skip
        assert f"| {name} | " in text
        assert f"| {stated['accuracy'][value]:.3f} |" in text, name
    assert f"one of {measured['composition']['settings']}" in text


def test_the_second_reading_covers_every_text(rows):
    read = [json.loads(line) for line in (FOLDER / "second_reading.jsonl").read_text("utf-8").splitlines()]
    agreed = {r["id"] for r in read if str(r["label"]) == r["second"]}
    assert agreed == {r.id for r in rows}  # every kept text was agreed on, every other one dropped
