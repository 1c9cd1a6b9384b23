import csv
import json
import re

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from vos.data.files import read_rows
from vos.data.json_rows import WRONG_WIDTH
from vos.data.settings import FileFormat
from vos.data.text_lines import decoded_lines
from vos.errors import DataError

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def fails(path, message, **options):
    with pytest.raises(DataError) as caught:
        list(read_rows(path, FileFormat(**options)))
    assert message in str(caught.value), str(caught.value)
    assert str(path) in str(caught.value)


def test_csv_with_line_breaks_gives_the_line_where_each_row_starts(write):
    path = write("a.csv", '\ufefftext,label\r\n"two\r\nlines, ""quoted""",1\r\n\r\n"a\n\n\nb",0\nlast,1')
    assert list(read_rows(path)) == [
        (2, {"text": 'two\r\nlines, "quoted"', "label": "1"}),
        (5, {"text": "a\n\n\nb", "label": "0"}),
        (9, {"text": "last", "label": "1"}),
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL), max_size=6))
def test_awkward_csv_round_trip(tmp_path, cells):
    path = tmp_path / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "label"])
        writer.writerows(cells)
    content = path.read_bytes()
    found = list(read_rows(path))
    assert [(row["text"], row["label"]) for _, row in found] == cells
    # The oracle for a line number: the line feeds before the row, found by writing the rows before it.
    for (line, _), i in zip(found, range(len(cells)), strict=True):
        before = '"text","label"\r\n' + "".join(
            ",".join('"' + c.replace('"', '""') + '"' for c in row) + "\r\n" for row in cells[:i]
        )
        assert content.startswith(before.encode())
        assert line == before.count("\n") + 1


def test_tsv_is_unquoted_unless_asked(write):
    path = write("a.tsv", 'text\tlabel\n"open quote\t1\nb\t0\r\n')
    assert [row for _, row in read_rows(path)] == [
        {"text": '"open quote', "label": "1"},
        {"text": "b", "label": "0"},
    ]
    fails(path, ":2: the row that starts here is not valid", quoted=True)
    path = write("b.tsv", 'text\tlabel\n"tab\tand\nbreak"\t1\n')
    assert list(read_rows(path, FileFormat(quoted=True))) == [(2, {"text": "tab\tand\nbreak", "label": "1"})]


def test_csv_unquoted(write):
    assert list(read_rows(write("a.csv", 'text,label\n"a,1\n'), FileFormat(quoted=False))) == [
        (2, {"text": '"a', "label": "1"})
    ]


@pytest.mark.parametrize(("name", "quote"), [("a.csv", '"'), ("a.tsv", "")])
def test_a_field_of_a_million_characters_is_read_and_the_limit_put_back(write, name, quote):
    before = csv.field_size_limit()
    long = "x" * 1_200_000
    separator = "," if name == "a.csv" else "\t"
    rows = read_rows(write(name, f"text{separator}label\n{quote}{long}{quote}{separator}1\nb{separator}0\n"))
    assert len(next(rows)[1]["text"]) == len(long)
    assert csv.field_size_limit() == before  # between two rows, not only at the end
    assert next(rows)[0] == 3


def test_a_quote_that_never_closes_names_the_line_where_its_row_starts(write):
    path = write("a.csv", 'text,label\nfine,1\n"never closed,0\nmore,1\n')
    fails(path, ":3: the row that starts here is not valid: unexpected end of data")
    assert csv.field_size_limit() == 131072


def test_row_widths_are_told(write):
    rows = [row for _, row in read_rows(write("a.csv", "text,label\na\nb,1,2,3\n"))]
    assert rows == [{"text": "a", "label": None, WRONG_WIDTH: (1, 2)}, {"text": "b", "label": "1", WRONG_WIDTH: (4, 2)}]


def test_a_column_named_twice(write):
    fails(write("a.csv", "text,label,text\na,1,b\n"), ":1: expected each column name once, found ['text']")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_bytes_that_are_not_text(write, name):
    good = b'{"a": 1}\n'
    fails(write(name, good + b"\xc3\xa9\xff\n"), ":2: byte 3: expected UTF-8, found 0xff (invalid start byte)")
    fails(write(name, good + b"\nab\0c\n"), ":3: byte 3: expected text, found a NUL byte")
    fails(write(name, b"\xef\xbb\xbfab\xff\n"), ":1: byte 6: expected UTF-8")
    fails(write(name, "text,label\n".encode("utf-16")), ":1: byte 1: expected UTF-8, found UTF-16")


def test_a_byte_order_mark_counts_only_at_the_start(write):
    for marks in (b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2):  # two: saved with one twice
        assert list(decoded_lines(write("a.txt", marks + b"a\n\xef\xbb\xbfb"))) == [(1, "a\n"), (2, "\ufeffb")]
    twice = write("b.txt", "\ufeff\ufeffa\nb".encode("utf-16"))
    assert list(decoded_lines(twice, "utf-16")) == [(1, "a\n"), (2, "b")]


def test_jsonl(write):
    path = write("a.jsonl", '\ufeff{"text": "a\u2028b"}\n\n{"text": "c"}')
    assert list(read_rows(path)) == [(1, {"text": "a\u2028b"}), (3, {"text": "c"})]
    assert list(read_rows(write("a.ndjson", "{}\n"))) == [(1, {})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": }', ":2: column 10: not JSON: Expecting value"),
        ("[1]", ":2: expected a JSON object with named columns, found an array"),
        ("3", ":2: expected a JSON object with named columns, found a number"),
        ('"a"', "found a string"),
        ("null", "found null"),
        ("true", "found true or false"),
        ('{"a": ' + "9" * 5000 + "}", ":2: JSON that cannot be read: Exceeds the limit"),
        ("[" * 200_000, ":2: JSON that cannot be read:"),
    ],
)
def test_bad_jsonl(write, line, message):
    fails(write("a.jsonl", '{"text": "a"}\n' + line + "\n"), message)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array(write, indent):
    data = [{"text": "a\nb"}, {"text": "c", "n": [1, {"d": 2}]}]
    found = list(read_rows(write("a.json", "\ufeff" + json.dumps(data, indent=indent) + "\n")))
    assert [row for _, row in found] == data
    assert [line for line, _ in found] == ([2, 5] if indent else [1, 1])
    assert list(read_rows(write("empty.json", " \n"))) == []
    assert list(read_rows(write("none.json", "[ ]"))) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": [], "val": []}', "expected an array of objects such as"),
        ('{"train": [], "val": []}', "found an object with the keys 'train', 'val'; write the rows of each split"),
        ("3", "found a number"),
        ('{"a": 1}\n{"a": 2}\n', "found one value after another; rename the file to .jsonl"),
        ("nonsense", ":1: column 1: not JSON: Expecting value"),
        ('[{"a": 1},\n[2]]', ":2: expected a JSON object with named columns, found an array"),
        ('[{"a": 1}\n{"a": 2}]', ":2: column 1: not JSON: expected ',' or ']' after an object"),
        ('[{"a": 1}', ":1: column 10: not JSON: expected ',' or ']'"),
        ('[{"a": 1}]\n x', ":2: column 2: not JSON: expected nothing after the array"),
        ("[" * 200_000, "JSON that cannot be read"),
        ("[" + "9" * 5000 + "]", "JSON that cannot be read: Exceeds the limit"),
    ],
)
def test_bad_json(write, content, message):
    fails(write("a.json", content), message)


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": [f"t{i}" for i in range(3000)], "label": list(range(3000))}), path)
    found = list(read_rows(path))
    assert len(found) == 3000
    assert found[2047] == (2048, {"text": "t2047", "label": 2047})


def test_bad_parquet(write, tmp_path):
    fails(write("a.parquet", b"PAR1 this is none"), "after row 0: expected a parquet file, found: ")
    path = tmp_path / "b.parquet"
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    parquet.write_table(pa.table({"text": broken}), path)
    fails(path, "a string in rows 1 to 1024 is not valid UTF-8: invalid start byte")


def test_files_that_cannot_be_opened(write, tmp_path):
    fails(tmp_path / "none.csv", "expected a file, found nothing there")
    fails(
        write("a.xlsx", ""),
        "expected a file that ends in .csv, .tsv, .jsonl, .ndjson, .json, .parquet, found the ending '.xlsx'",
    )
    (tmp_path / "folder.csv").mkdir()
    fails(tmp_path / "folder.csv", "expected a file, found a folder")


def test_rows_come_lazily(write):
    rows = read_rows(write("a.jsonl", '{"text": "a"}\nnot json\n'))
    assert next(rows) == (1, {"text": "a"})
    with pytest.raises(DataError, match=re.escape(":2:")):
        next(rows)
