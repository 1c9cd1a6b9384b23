import pytest

from vos.errors import DataError
from vos.storage.atomic import numbered_lines, read_utf8, replacing, write_atomically


def test_the_new_file_takes_the_place_of_the_old_one_at_the_end(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with replacing(path) as partial:
        partial.write_text("first")
        assert not path.exists()
    with replacing(path) as partial:
        partial.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def test_after_an_error_the_old_file_stays_and_no_part_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half_written():
        with replacing(path) as partial:
            partial.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_written()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_text_is_written_as_it_is(tmp_path):
    text = "a\r\nb\u2028c \ud800 🙂\n"
    write_atomically(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_bytes() == text.encode("utf-8", "surrogatepass")
    assert read_utf8(tmp_path / "a.txt") == text


def test_a_byte_order_mark_is_not_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfword")
    assert read_utf8(tmp_path / "a.txt") == "word"


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_what_is_no_text_file_is_named(tmp_path, content):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.txt: expected a UTF-8 text file"):
        read_utf8(path)


def test_a_line_ends_at_a_line_feed_alone_and_blank_ones_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text("one\u2028still one\n\n \nfour", "utf-8", newline="")
    assert numbered_lines(tmp_path / "a.txt") == [(1, "one\u2028still one"), (4, "four")]
