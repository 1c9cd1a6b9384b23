"""Columns of a table as topic tags."""

import json

import pytest

from vos.atlas.tags import table_columns, told_columns
from vos.errors import DataError
from vos.types import Example

TEXTS = [Example(f"t{i}", f"text {i}", level=i % 2) for i in range(6)]


def table(tmp_path, rows):
    path = tmp_path / "tags.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_columns_follow_the_texts_and_what_tells_nothing_is_left_out(tmp_path):
    rows = [{"id": f"t{i}", "tone": "calm" if i < 3 else "loud", "own": f"u{i}", "same": "x", "hour": i // 2}
            for i in (4, 3, 2, 1, 0)]  # fmt: skip
    found = table_columns(table(tmp_path, [*rows, {"id": "another", "tone": "odd"}]), TEXTS)
    assert found == {"tone": ("calm", "calm", "calm", "loud", "loud", None), "hour": ("0", "0", "1", "1", "2", None)}


def test_a_table_without_ids_names_its_texts(tmp_path):
    rows = [{"text": f"text {i}", "tone": "" if i == 5 else "ab"[i % 2]} for i in range(6)]
    assert table_columns(table(tmp_path, rows), TEXTS) == {"tone": ("a", "b", "a", "b", "a", None)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "t1", "a": 1}, {"id": "t1", "a": 2}], ":2: expected each id once, found it again"),
        ([{"tone": "a"}], ":1: expected a value in column text, which says whose row it is, found none"),
        ([{"id": "x", "tone": "a"}], "expected rows of the atlas's texts, found none of its 6 texts by id"),
    ],
)
def test_a_table_that_does_not_fit_is_an_error(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        table_columns(table(tmp_path, rows), TEXTS)


def test_level_and_group_are_told():
    assert told_columns(TEXTS) == {"level": ("0", "1", "0", "1", "0", "1")}
    assert told_columns(TEXTS[:2]) == {}
