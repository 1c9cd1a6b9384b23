"""Invalid rows in real files, through `load_files`: error messages, and what remains if they are skipped."""

import json

import pytest

from vos.data import load_files
from vos.data.validation import unescape
from vos.errors import ConfigError, DataError


def message(path, **options):
    with pytest.raises(DataError) as caught:
        load_files(path, **options)
    return str(caught.value)


def good_csv(n=40, header="text,label"):
    return header + "\n" + "".join(f"text number {i},{'hate' if i % 2 else 'fine'}\n" for i in range(n))


BAD_ROWS = [
    (",hate", "column 'text': found an empty text, expected a text"),
    ('" \t ",hate', "column 'text': found white space only, expected a text"),
    ("x" * 51 + ",hate", "column 'text': found a text of 51 characters, expected at most max_chars=50"),
    ("some text,", "column 'label': found no label, expected a label; rows without one belong in the pool"),
    ("short", "column 'text': found a row of 1 fields, expected 2 fields as in the header"),
    ("a,b,hate", "column 'text': found a row of 3 fields, expected 2 fields as in the header"),
]


@pytest.mark.parametrize(("row", "expected"), BAD_ROWS)
def test_a_bad_row_of_a_csv(write, row, expected):
    path = write("a.csv", good_csv() + row + "\n")
    text = message(path, max_chars=50)
    assert text.startswith(f"1 bad row: {path}:42: {expected}")
    assert text.endswith("Correct them, or leave them out with on_bad_row=skip")
    data = load_files(path, max_chars=50, on_bad_row="skip")
    (skipped,) = data.skipped
    assert (skipped.source, skipped.line) == (str(path), 42)
    assert skipped.reason.startswith(expected.split("; is")[0])
    assert len(data.train) + len(data.val) + len(data.test) == 40


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": 3, "label": "hate"}, "column 'text': found a int, expected a text"),
        ({"label": "hate"}, "column 'text': found nothing, expected a text"),
        ({"text": None, "label": "hate"}, "column 'text': found nothing, expected a text"),
        ({"text": "a\0b", "label": "hate"}, "column 'text': found U+0000 at character 2"),
        ({"text": "ab\ud800", "label": "hate"}, "column 'text': found U+D800 at character 3"),
        ({"text": "t", "label": None}, "column 'label': found no label"),
        ({"text": "t", "label": "hate", "id": ""}, "column 'id': found no id, expected an id in every row"),
        ({"text": "t", "label": "hate", "id": "x", "level": "deep"}, "column 'level': found 'deep', expected a whole"),
        ({"text": "t", "label": "hate", "id": "x", "level": -1}, "column 'level': found -1, expected a whole number"),
        (
            {"text": "t", "label": "hate", "id": "x", "level": "l" * 90},
            "column 'level': found '" + "l" * 56 + "..., exp",
        ),
    ],
)
def test_a_bad_row_of_a_jsonl(write, rows, row, expected):
    good = [{"id": i, "level": 0.0, **each} for i, each in enumerate(rows())]
    path = write("a.jsonl", [*good, {"id": "last", **row}])
    text = message(path, id="id", level="level")
    assert f"{path}:41: {expected}" in text
    (skipped,) = load_files(path, id="id", level="level", on_bad_row="skip").skipped
    assert skipped.id == (row.get("id", "last") or None)


def test_a_text_of_max_chars_is_good(write):
    path = write("a.csv", good_csv() + "x" * 50 + ",hate\n")
    assert load_files(path, max_chars=50).skipped == []
    assert ":42: column 'text': found a text of 50 characters" in message(path, max_chars=49)


def test_the_first_five_are_shown_and_all_are_counted(write):
    path = write("a.csv", good_csv() + ",hate\n" * 12 + "t,\n")
    text = message(path)
    assert text.startswith("13 bad rows (the first 5 are named): ")
    assert [f"{path}:{line}:" in text for line in range(42, 55)] == [True] * 5 + [False] * 8
    assert len(load_files(path, on_bad_row="skip").skipped) == 13


def test_messages_never_hold_the_text(write):
    secret = "SECRET" * 10
    path = write("a.csv", good_csv() + f"{secret},\n{secret},hate\n{secret},fine\n{secret},odd\n")
    assert "SECRET" not in message(path, max_chars=100)
    assert "SECRET" not in message(path, max_chars=20)


@pytest.mark.parametrize(("asked", "near"), [("Text", "'text'"), ("lable", "'label'"), ("nothing like it", None)])
def test_a_missing_column_lists_the_columns_and_the_nearest(write, asked, near):
    path = write("a.csv", good_csv())
    text = message(path, text=asked)
    assert text.startswith(f"{path}: expected a column {asked!r}, found the columns ['text', 'label']")
    assert text.endswith(f"did you mean {near}?") == (near is not None)


def test_an_unknown_label_lists_the_known(write):
    train, val = write("a.csv", good_csv()), write("b.csv", "text,label\nx,fine\ny,nice\nz,hate\n")
    text = message(train, val=val)
    assert f"{val}:3: column 'label': found the unknown label 'nice', expected one of 'fine', 'hate'" in text
    text = message(train, label_map={"fine": "a", "okay": "b"}, positive="b")
    assert f"{train}:3: column 'label': found the unknown label 'hate', expected one of 'fine', 'okay'" in text
    many = write("c.csv", "text,label\n" + "".join(f"t{i},{i}\nu{i},{i}\nv{i},{i}\n" for i in range(30)))
    assert "expected one of '0', '1'," in message(many, val=val, positive="none")
    assert "'19', ... | " in message(many, val=val, positive="none")


def test_one_id_for_two_texts(write, rows):
    numbered = [{"id": i, **row} for i, row in enumerate(rows())]
    path = write("a.jsonl", [*numbered, {"id": 7, "text": "another", "label": "fine"}])
    text = message(path, id="id")
    assert (
        f"{path}:41: column 'id': found id '7', which another text has at {path}:8, expected an id of its own" in text
    )
    data = load_files(path, id="id", on_bad_row="skip")
    assert [(s.line, s.id) for s in data.skipped] == [(41, "7")]


def test_one_text_with_two_labels_has_none(write):
    path = write("a.csv", good_csv() + "text  number 0,hate\ntext number 0,fine\n")
    text = message(path)
    assert text.startswith("3 bad rows:")
    assert f"{path}:2: column 'label': found label 'fine' for a text that has label 'hate' at {path}:42" in text
    assert f"{path}:42: column 'label': found label 'hate' for a text that has label 'fine' at {path}:2" in text
    data = load_files(path, on_bad_row="skip")
    assert sorted(s.line for s in data.skipped) == [2, 42, 43]
    assert all("number 0" not in e.text for e in data.train + data.val + data.test)


def test_labels_that_map_to_one_class_do_not_contradict(write):
    path = write("a.csv", good_csv() + "text number 1,spite\n")
    data = load_files(path, label_map={"hate": "bad", "spite": "bad", "fine": "good"}, positive="bad")
    assert [s.reason for s in data.skipped] == [f"same text and label as {path}:3"]
    assert data.label_names == ("good", "bad")


def test_exact_duplicates_are_left_out_and_listed(write):
    train = write("a.csv", good_csv() + "text number 3,hate\n")
    test = write("t.csv", "text,label\ntext number 5,hate\nnew,fine\n")
    data = load_files(train, test=test)
    assert {(s.source, s.line, s.reason) for s in data.skipped} == {
        (str(train), 42, f"same text and label as {train}:5"),
        (str(train), 7, f"same text and label as {test}:2"),  # the test file stays whole
    }
    assert len(data.test) == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "expected at least one row of data, found none: the file is empty"),
        ("text,label\n", "expected at least one row of data, found none: the file is empty"),
        ("text,label\na,x\nb,x\n", "expected texts of at least two classes, found one class only: 'x'"),
    ],
)
def test_files_with_nothing_to_learn(write, content, expected):
    path = write("a.csv", content)
    assert message(path) == f"{path}: {expected}"


def test_nothing_usable_is_left(write):
    path = write("a.csv", "text,label\n,x\n,y\n")
    assert message(path, on_bad_row="skip") == f"{path}: expected usable rows, found none: all 2 were skipped"
    assert message(path, positive="x").startswith("2 bad rows")
    train, val = write("b.csv", good_csv()), write("c.csv", "text,label\nt,odd\n")
    assert (
        message(train, val=val, on_bad_row="skip")
        == f"{val}: expected texts of at least two classes, found no usable row"
    )


def test_a_class_without_training_texts(write):
    path = write("a.csv", good_csv())
    text = message(path, label_map={"fine": "a", "hate": "b", "worse": "c"}, positive="none")
    assert text.startswith(f"{path}: expected texts of every class, found none of ['c']; add some, or name only the")


@pytest.mark.parametrize("options", [{"on_bad_row": "ignore"}, {"max_chars": 0}, {"limit": 0}])
def test_options_that_make_no_sense(write, options):
    with pytest.raises(ConfigError, match="expected"):
        load_files(write("a.csv", good_csv()), **options)


def test_unescape(write):
    assert unescape("&lt;b&gt; &amp;amp;_x000D_\nnext_x000D_last") == "<b> &amp;\nnext\nlast"
    path = write("a.csv", good_csv() + "&#32;_x000D_,hate\nTom &amp; I,fine\n")
    assert any(e.text == "Tom &amp; I" for e in load_files(path).train + load_files(path).val + load_files(path).test)
    assert ":42: column 'text': found white space only" in message(path, unescape=True)


def test_values_of_json_and_csv_agree(write):
    rows = [{"text": f"t {i}", "label": float(i % 2), "id": i, "group": i // 2, "level": 1.0} for i in range(40)]
    options = {"id": "id", "group": "group", "level": "level"}
    from_json = load_files(write("a.json", json.dumps(rows)), **options)
    lines = "".join(f"t {i},{i % 2},{i},{i // 2},1\n" for i in range(40))
    assert load_files(write("a.csv", "text,label,id,group,level\n" + lines), **options).train == from_json.train
    assert from_json.label_names == ("0", "1")
    assert {e.level for e in from_json.train} == {1}
