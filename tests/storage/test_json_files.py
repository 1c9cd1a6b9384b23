import ast
import json
import math

import pytest

from tests.conftest import ROOT
from vos.errors import DataError, RunError
from vos.storage.json_files import numbers, read_json, write_json, write_json_lines


def test_what_is_written_is_read_back_in_its_order(tmp_path):
    values = {"z": [1, 2.5, None], "a": {"text": "wörter \u2028 und 🙂"}}
    write_json(tmp_path / "a.json", values)
    found = read_json(tmp_path / "a.json")
    assert found == values
    assert list(found) == ["z", "a"]
    assert "wörter" in (tmp_path / "a.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1', "the file is missing or half-written"),
        ("", "the file is missing or half-written"),
        ("[]", "expected a JSON object, got list"),
        ("1", "expected a JSON object, got int"),
    ],
)
def test_what_is_no_object_is_named_with_its_file(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content, "utf-8")
    with pytest.raises(RunError, match=rf"a\.json: .*{message}"):
        read_json(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"none\.json: expected a JSON object, got: .*missing or half-written"):
        read_json(tmp_path / "none.json")


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"a\.json was not written"):
        write_json(tmp_path / "file" / "a.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def strictly(text):
    """JSON as the standard has it: NaN and Infinity are no numbers."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_not_finite_become_null_wherever_they_stand(tmp_path):
    values = {"a": math.nan, "b": [1.5, -math.inf, (math.inf,)], "c": {"d": math.nan, "e": 0.0}, "text": "NaN"}
    expected = {"a": None, "b": [1.5, None, [None]], "c": {"d": None, "e": 0.0}, "text": "NaN"}
    write_json(tmp_path / "a.json", values)
    write_json_lines(tmp_path / "a.jsonl", [values, [math.nan]])
    assert strictly((tmp_path / "a.json").read_text("utf-8")) == expected
    assert [strictly(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()] == [expected, [None]]
    found = numbers({"a": None, "b": 1})
    assert math.isnan(found["a"])
    assert found["b"] == 1.0


# Not benchmarks/fuzz: it writes what others write, NaN among it.
FILES = [
    path
    for folder in ("vos", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.parent != ROOT / "benchmarks/fuzz"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_writes_json_that_could_hold_nan(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump"):
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert given.get("allow_nan") == "False", f"{path.name}:{node.lineno}: {ast.unparse(node)}"
