"""The embedded corpora satisfy their rules, and their datasheets are correct."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from typing import get_args

import pytest

from benchmarks.corpus.agreement import agreement
from benchmarks.corpus.measures import best_by, measure, shortcuts
from benchmarks.corpus.repeats import repeats
from benchmarks.corpus.rows import LEVELS, SPLITS, folder, read_jsonl, read_rows
from vos.data import load_embedded, load_pool_labels
from vos.data.embedded import CorpusName

NAMES = [name for name in get_args(CorpusName) if (folder(name) / "corpus.jsonl").is_file()]
LIMIT = 0.56
"""Of the balanced accuracy of a shortcut."""

LADDER_PAIRS = 400
"""Minimal pairs of the ladder outside its pool."""

FOUND = {
    "bag of words on levels 2 and 3": "bag_of_words_levels_2_3",
    "length alone": "length",
    "first three words alone": "first_three_words",
    "last three words alone": "last_three_words",
    "names and places alone": "names",
    "setting alone": "setting",
    "register alone": "register_cross_validated",
}
"""Lines of a datasheet's table of limits, and the accuracies that they give."""


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def rows(name):
    return read_rows(name)


@pytest.fixture(scope="module")
def measured(name):
    return measure(name)


def pairs_of(rows):
    pairs = defaultdict(list)
    for row in rows:
        if row.pair:
            pairs[row.pair].append(row)
    return pairs


def test_there_is_enough_of_everything(name, rows):
    cells = Counter((r.label, r.level) for r in rows)
    splits = Counter(r.split for r in rows)
    settings = {split: len({r.setting for r in rows if r.split == split}) for split in SPLITS}
    assert sorted(cells) == [(y, v) for y in (0, 1) for v in LEVELS]
    if name == "ladder":
        assert len(rows) >= 2400
        assert min(cells.values()) >= 300
        assert sum(settings.values()) >= 60
        assert sum(twins[0].split != "pool" for twins in pairs_of(rows).values()) >= LADDER_PAIRS
        return
    assert settings == {"train": 24, "val": 6, "test": 12, "pool": 38}
    asked = {"train": 1200, "val": 300, "test": 600, "pool": 1900}
    assert {split: n for split, n in asked.items() if not 0.95 * n <= splits[split] <= n} == {}
    assert len(pairs_of(rows)) >= 100


def test_texts_have_the_form_that_was_promised(rows):
    assert len({r.id for r in rows}) == len(rows)
    assert len({r.text for r in rows}) == len(rows)
    assert len({r.register for r in rows}) >= 9
    wrong = [r.id for r in rows if not 8 <= len(r.text.split()) <= 60 or r.text != r.text.strip()]
    assert wrong == []


def test_twins_are_few_words_apart(rows):
    far = []
    for pair, twins in pairs_of(rows).items():
        assert len(twins) == 2, pair
        assert {row.label for row in twins} == {0, 1}, pair
        assert len({row.split for row in twins}) == 1, pair
        a, b = (Counter(re.findall(r"\w+", row.text.lower())) for row in twins)
        far += [pair] if max((a - b).total(), (b - a).total()) > 9 else []
    assert far == []


def test_splits_go_by_setting_and_hold_what_they_should(name, rows):
    splits = defaultdict(set)
    for row in rows:
        splits[row.setting].add(row.split)
    assert all(len(each) == 1 for each in splits.values())
    assert {r.split for r in rows} == set(SPLITS)
    cells = {split: {(r.label, r.level) for r in rows if r.split == split} for split in SPLITS}
    if name == "ladder":  # training has only seen the obvious
        assert {level for _, level in cells["train"]} == {0, 1}
        assert all(len(cells[split]) == 8 for split in ("pool", "val", "test"))
    else:
        assert all(cells[split] >= {(y, v) for y in (0, 1) for v in (0, 1, 2)} for split in SPLITS)


def test_harm_and_levels_are_as_frequent_as_in_life(name, measured):
    """Within 3 points of the 30 % and 4 of the shares of levels: what dropping texts and uneven steps may move."""
    for split, found in measured["shares"].items():
        if name == "ladder":
            assert found["harm"] == pytest.approx(0.5, abs=0.02), split
            continue
        assert found["harm"] == pytest.approx(0.3, abs=0.03), split
        for label in (0, 1):
            for level, share in enumerate((0.7, 0.2, 0.07, 0.03)):
                assert found[f"label_{label}_level_{level}"] == pytest.approx(share, abs=0.04), (split, label, level)


def test_the_pool_keeps_its_labels_to_itself(name):
    pool = list(load_embedded(name).pool)
    assert all(e.label is None and e.level is None and e.pair is None for e in pool)
    assert set(load_pool_labels(name)) == {e.id for e in pool}
    shown = [row for row in read_jsonl(name, "corpus.jsonl") if row["split"] == "pool"]
    assert {(row["label"], row["level"], row["pair"]) for row in shown} == {(None, None, None)}


def test_no_shortcut_gives_the_label_away(name, measured):
    found = measured["accuracy"]
    if name == "ladder":
        assert found["bag_of_words_levels_2_3"] <= 0.75
        assert measured["repeats"]["openings_twins_as_two"] == 0
    words = ("bag_of_words", *(("first_three", "last_three") if name == "everyday" else ()))
    limit = LIMIT if name == "ladder" else 0.57
    tight = [shortcut for shortcut in FOUND.values() if not shortcut.startswith(words)]
    assert {shortcut: found[shortcut] for shortcut in tight if found[shortcut] > limit} == {}
    assert [key for key in ("openings", "phrases", "near_duplicates") if measured["repeats"][key]] == []


def test_words_tell_as_much_as_they_do_in_life(name, measured):
    found = measured["natural_test"]
    low, high = {"ladder": (0.5, 0.6), "everyday": (0.78, 0.86)}[name]
    assert low <= found["bag_of_words"] <= high
    assert found["always_the_majority"] == pytest.approx({"ladder": 0.5, "everyday": 0.7}[name], abs=0.03)


def test_the_audit_sees_a_shortcut_when_there_is_one():
    rows = read_rows("ladder")
    hard = [r for r in rows if r.split != "train"][:900]
    marked = [replace(r, text=f"so then we {'all ' * 3 * r.label}{r.text}") for r in hard]
    rare = [r for i, r in enumerate(marked) if r.label == 0 or i % 4 == 0]  # and where one label is rarer
    for found in (shortcuts(marked), shortcuts(rare)):
        assert found["length"] > LIMIT
        assert found["bag_of_words_levels_2_3"] > 0.75
    assert "so then we" in repeats(marked)["openings"]
    copies = [replace(r, id=f"{r.id}-copy", pair=None) for r in rows[:3]]
    assert len(repeats([*rows[:3], *copies])["near_duplicates"]) == 3
    twins = [replace(r, text=f"so then we {r.text}", pair=f"p{i // 2}") for i, r in enumerate(rows[:4])]
    assert (repeats(twins)["openings"], repeats(twins)["openings_twins_as_two"]) == ([], ["so then we"])


def test_the_best_rule_on_one_value_is_judged_by_both_labels_alike():
    # Of 4 harmful texts 3 are in x, of 8 harmless ones 2: harm in x is right on 3/4 and 6/8 of them.
    values, labels = [*"xxxy", *"xxyyyyyy"], [1] * 4 + [0] * 8
    assert best_by(values, labels) == pytest.approx((3 / 4 + 6 / 8) / 2)
    assert best_by(["x"] * 12, labels) == 0.5


def close(first, second, path=""):
    """Equal, but for rounding of logistic regressions on another machine: 0.005 on accuracies."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            close(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, float) and path.startswith(("/accuracy", "/natural_test")):
        assert first == pytest.approx(second, abs=0.005), path
    else:
        assert first == second, path


def test_every_number_of_the_datasheet_is_recomputed(name, measured):
    text = (folder(name) / "DATASHEET.md").read_text("utf-8")
    stated = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))
    close(stated, measured)
    lines = {line: stated["accuracy"][value] for line, value in FOUND.items()}
    if name == "everyday":
        lines["bag of words on the natural test"] = stated["natural_test"]["bag_of_words"]
    for line, value in lines.items():
        assert re.search(rf"^\| {line} \| [^|]+ \| {value:.3f} \|$", text, re.MULTILINE), line
    assert f"one of {measured['composition']['settings']}" in text


def test_the_second_reading_covers_every_text(name, rows):
    read = read_jsonl(name, "second_reading.jsonl")
    agreed = {r["id"] for r in read if str(r["label"]) == r["second"]}
    assert agreed == {r.id for r in rows}  # every kept text was agreed on, every other one dropped


def test_levels_with_few_texts_are_pooled_in_the_report_of_agreement(monkeypatch):
    def read(sizes):
        rows = [
            {"label": y, "level": v, "second": str(y)} for y in (0, 1) for v, n in enumerate(sizes) for _ in range(n)
        ]
        rows[0]["second"] = "?"
        monkeypatch.setattr("benchmarks.corpus.agreement.read_jsonl", lambda *_: rows)
        return agreement("any")

    many = read((200, 150, 120, 100))
    assert {"kappa_level_3", "agreement_level_2", "agreement_label_1_level_3_low"} <= many.keys()
    few = read((200, 150, 60, 40))
    assert {"kappa_levels_2_3", "agreement_label_0_levels_2_3"} <= few.keys()
    assert not {"kappa_level_3", "agreement_level_2"} & few.keys()
    assert few["disagreements"] == 1
    # 399 of 400, Wilson: (p + z²/2n - z * sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) = 0.98598.
    assert (few["agreement_level_0"], few["agreement_level_0_low"]) == (0.9975, 0.986)
