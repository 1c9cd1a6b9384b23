"""No leaks between training and evaluation: groups, pairs and texts across separate files."""

import logging

import pytest

from vos.data import load_files
from vos.data.leaks import HeldOut
from vos.errors import ConfigError, DataError
from vos.types import Example


def people(kind, names, more=""):
    """Rows of a file, two for each author."""
    return [
        {"text": f"{kind} text {i} of {name}{more}", "label": "ab"[i % 2], "author": name, "twin": f"{name}-{i}"}
        for name in names
        for i in range(2)
    ]


TRAIN, VAL, TEST = people("train", "abcdef"), people("val", "fg"), people("test", "ah")


@pytest.fixture
def files(write):
    return {"train": write("a.jsonl", TRAIN), "val": write("v.jsonl", VAL), "test": write("t.jsonl", TEST)}


def test_authors_in_several_files_are_an_error_with_counts(files):
    with pytest.raises(DataError, match="groups or pairs stand in several splits") as caught:
        load_files(**files, positive="b", group="author")
    said = str(caught.value)
    assert f"4 of the 12 train texts, the first at {files['train']}:1 with {files['test']}:1" in said
    assert "\n" not in said
    assert all(f"on_leak={way}" in said for way in ("drop", "allow"))
    load_files(**files, positive="b")  # no column of groups is named


def test_leaking_texts_are_left_out_of_what_is_learned(files, caplog):
    with caplog.at_level(logging.WARNING):
        data = load_files(**files, positive="b", group="author", on_leak="drop")
    assert (len(data.train), len(data.val), len(data.test)) == (8, 4, 4)
    held_out = {each.group for each in (*data.val, *data.test)}
    assert not held_out & {each.group for each in data.train}
    assert [row.line for row in data.skipped] == [1, 2, 11, 12]
    assert "4 of the 12 train texts" in caplog.text
    assert "they are left out" in caplog.text


def test_the_test_split_stays_whole(write, files):
    files["val"] = write("v.jsonl", people("val", "ghi"))
    data = load_files(**files, positive="b", group="author", on_leak="drop")
    assert ({each.group for each in data.val}, len(data.test)) == ({"g", "i"}, 4)


def test_leaks_may_be_allowed_but_are_said(files, caplog):
    with caplog.at_level(logging.WARNING):
        data = load_files(**files, positive="b", group="author", on_leak="allow")
    assert (len(data.train), len(data.val), len(data.test)) == (12, 4, 4)
    assert "they are kept" in caplog.text
    with pytest.raises(ConfigError, match="on_leak: expected one of error, drop, allow, found 'ignore'"):
        load_files(**files, positive="b", on_leak="ignore")


def test_pairs_leak_like_groups(files):
    with pytest.raises(DataError, match="4 of the 12 train texts"):
        load_files(**files, positive="b", pair="twin")


def test_the_same_text_in_other_capitals_leaves_the_later_split(write):
    train = write("a.csv", "text,label\n" + "".join(f"Text {i} here,{'ab'[i % 2]}\n" for i in range(20)))
    test = write("t.csv", "text,label\ntext 3  HERE,b\nText 4 here,a\nmore,b\n")
    data = load_files(train, val=write("v.csv", "text,label\nv one,a\nv two,b\n"), test=test, positive="b")
    assert (len(data.train), len(data.test)) == (18, 3)
    assert {(row.line, row.reason.split(str(test))[0]) for row in data.skipped} == {
        (5, "the same text but for capitals and spaces as "),
        (6, "same text and label as "),
    }


def test_other_capitals_are_not_cut_apart(write):
    content = "".join(f"text {i},{'ab'[i % 2]}\nTEXT  {i},{'ab'[i % 2]}\n" for i in range(40))
    data = load_files(write("a.csv", "text,label\n" + content), positive="b")
    home = {}
    for name in ("train", "val", "test"):
        for each in getattr(data, name):
            home.setdefault(each.text.lower().split()[1], set()).add(name)
    assert len(home) == 40
    assert all(len(names) == 1 for names in home.values())


def test_texts_of_another_kind_are_no_labelled_texts(write, rows):
    ood = write("o.csv", "text\nTEXT number 3\nfar away\nFar  away\n")
    data = load_files(write("a.jsonl", rows()), ood=ood)
    assert [each.text for each in data.ood] == ["far away"]
    assert [row.reason for row in data.skipped] == ["the same text as a labelled text", f"the same text as {ood}:3"]


def test_held_out_knows_texts_groups_and_pairs():
    held_out = HeldOut([Example("1", "A text", 0, group="g", pair="p"), Example("2", "b", 1)])
    assert held_out.has_text("a  TEXT ")
    assert not held_out.has_text("a text.")
    assert held_out.shares(Example("3", "c", 0, group="g"))
    assert held_out.shares(Example("3", "c", 0, pair="p"))
    assert not held_out.shares(Example("3", "c", 0, group="p", pair="g"))
    assert not held_out.shares(Example("3", "c", 0))
