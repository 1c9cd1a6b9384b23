import pytest

from vos.errors import DataError, RunError
from vos.storage.json_files import read_json, write_json


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
