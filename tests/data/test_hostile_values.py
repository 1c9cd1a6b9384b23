"""Invalid values, each reported with its line, and valid values that look invalid."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

import pyarrow as pa
import pytest
from pyarrow import parquet

from vos.data import load_files, read_rows
from vos.data.labels import label_key, natural_key
from vos.errors import DataError

LONG = "7" * 5_000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize(
    ("written", "key"),
    [(f"{LONG}.0", LONG), (f"-00{LONG}.00", f"-{LONG}"), ("+1.0", "1"), ("-0.0", "0"), ("007.0", "7"), ("٣.0", "٣.0")],
)
def test_whole_numbers_of_any_length_are_labels(written, key):
    assert label_key(written) == key


def test_names_with_long_numbers_are_ordered_by_value():
    names = [f"level {LONG}", "level 10", "level 009", "level 8", "10", "9", "b", f"level 1{LONG}"]
    expected = ["9", "10", "b", "level 8", "level 009", "level 10", f"level {LONG}", f"level 1{LONG}"]
    assert sorted(names, key=natural_key) == expected


def rows_with(write, column, value, n=40):
    rows = [{"text": f"he said {i}", "label": "ab"[i % 2], "who": f"w{i}", "level": "1"} for i in range(n)]
    rows[7][column] = value
    return write("a.jsonl", "\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("bad", ["\ud800", "a\udfffb", "a\0b"])
@pytest.mark.parametrize("column", ["text", "label", "who"])
@pytest.mark.parametrize("role", ["id", "group", "pair"])
def test_characters_that_no_file_holds_are_named_in_every_column(write, column, bad, role):
    path = rows_with(write, column, bad)
    with pytest.raises(DataError, match=rf"a\.jsonl:8: column '{column}': found U\+"):
        load_files(path, positive="b", **{role: "who"})
    data = load_files(path, positive="b", on_bad_row="skip", **{role: "who"})
    assert [row.line for row in data.skipped] == [8]


def test_such_a_character_in_a_list_of_labels_is_named(write):
    path = rows_with(write, "label", ["b", "\ud800"])
    with pytest.raises(DataError, match=r"a\.jsonl:8: column 'label': found U\+D800"):
        load_files(path, positive=["b"])


def test_a_level_of_many_digits_is_named(write):
    with pytest.raises(DataError, match=r"a\.jsonl:8: column 'level': found '7777.*expected a whole number"):
        load_files(rows_with(write, "level", LONG), positive="b", level="level")


@contextmanager
def readable_or(message):
    """The block does its work, or ends in this error of the package; in no other one."""
    try:
        yield
    except DataError as error:
        if not re.search(message, str(error)):
            raise AssertionError(str(error)) from error


TWICE = '{"text": "a", "label": "x", "text": "b"}'


def test_an_object_with_a_name_twice_is_no_row(write):
    rows = [json.dumps({"text": f"t {i}", "label": "ab"[i % 2]}) for i in range(40)]
    path = write("a.jsonl", "\n".join([*rows, TWICE]))
    with pytest.raises(DataError, match=r"a\.jsonl:41: .*expected each name once, found 'text' more than once"):
        load_files(path, positive="b")
    assert [row.line for row in load_files(path, positive="b", on_bad_row="skip").skipped] == [41]
    with pytest.raises(DataError, match=r"b\.json:3: JSON that cannot be read: expected each name once"):
        list(read_rows(write("b.json", f"[\n{rows[0]},\n{TWICE}]")))


def test_an_array_that_ends_in_a_comma_is_not_json(write):
    with pytest.raises(DataError, match=r"a\.json:1: column \d+: not JSON: expected an object after ','"):
        list(read_rows(write("a.json", '[{"text": "a"},]')))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_an_array_are_counted_whatever_ends_them(write, end):
    path = write("a.json", f'[{end}{{"text": "a"}},{end}{{"text": "b"}}{end}]'.encode())
    assert list(read_rows(path)) == [(2, {"text": "a"}), (3, {"text": "b"})]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62], pa.timestamp("us")),
        pa.array([1], pa.timestamp("us", "Nowhere/Land")),
        pa.array([10**18 + 1], pa.timestamp("ns")),
        pa.array([2**50], pa.timestamp("s")),
    ],
    ids=["far", "zone", "fine", "farther"],
)
def test_values_that_python_cannot_hold_end_in_one_line(tmp_path, column):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": ["a"], "when": column}), path)
    with readable_or(r"a\.parquet: after row 0: expected a parquet file, found: [^\n]+$"):
        ((line, row),) = read_rows(path)
        assert (line, row["text"]) == (1, "a")


@pytest.mark.parametrize("place", [0, 4, 60, -1, -9, -40])
def test_a_damaged_parquet_file_ends_in_one_line(tmp_path, place):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": ["a"] * 50, "label": ["x"] * 50}), path)
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    for damaged in (bytes(content), bytes(content[:place])):
        path.write_bytes(damaged)
        with readable_or(r"a\.parquet: [^\n]+$"):
            list(read_rows(path))


def test_paths_that_are_no_files_of_texts(tmp_path, write):
    import gzip
    import os
    import zipfile

    good = write("good.csv", "text,label\na,x\n")
    (tmp_path / "link.csv").symlink_to(good)
    assert list(read_rows(tmp_path / "link.csv")) == list(read_rows(good))
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    with zipfile.ZipFile(tmp_path / "zip.csv", "w") as archive:
        archive.write(good)
    (tmp_path / "gzip.jsonl").write_bytes(gzip.compress(good.read_bytes()))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(good.read_bytes()))
    for name in ("loop", "dangling", "device", "folder", "pipe", "zip"):
        with pytest.raises(DataError, match=rf"{name}\.csv: ?expected a file|{name}\.csv:\d+: byte"):
            list(read_rows(tmp_path / f"{name}.csv"))
    for name in ("gzip.jsonl", "a.csv.gz"):
        with pytest.raises(DataError, match=name):
            list(read_rows(tmp_path / name))
