from dataclasses import replace

import pytest

from vos.data import FilePool, ListPool, TextData
from vos.storage.text_ids import text_uid
from vos.types import Example


def data(**changes):
    base = TextData(
        [Example("1", "a", 0), Example("2", "b", 1)],
        [Example("3", "c", 0)],
        [],
        ListPool([]),
        ("no", "yes"),
        [],
        harmful=(1,),
    )
    return replace(base, **changes)


def test_uid_sees_through_form_and_spacing():
    assert text_uid(" Caf\u00e9\n\tbar ") == text_uid("Cafe\u0301 bar")
    assert text_uid("a b") == "c8687a08aa5d6ed2044328fa6a697ab8"  # printf 'a b' | sha256sum | head -c 32
    assert text_uid("a b") != text_uid("A b")
    assert len(text_uid("\ud800")) == 32


@pytest.mark.parametrize(
    "changes",
    [
        {"train": [Example("1", "a", 1), Example("2", "b", 1)]},
        {"train": [Example("1", "ab", 0), Example("2", "", 1)]},
        {"train": [Example("2", "b", 1), Example("1", "a", 0)]},
        {"val": [], "test": [Example("3", "c", 0)]},
        {"ood": [Example("4", "d")]},
        {"label_names": ("yes", "no")},
    ],
)
def test_fingerprint_sees_every_change(changes):
    assert data(**changes).fingerprint() != data().fingerprint()


def test_fingerprint_leaves_the_pool_out():
    assert data(pool=ListPool([Example("p", "p")])).fingerprint() == data().fingerprint()
    assert len(data().fingerprint()) == 64


def test_pools():
    examples = [Example("p", "p"), Example("q", "q")]
    pool = ListPool(examples)
    examples.clear()
    assert pool.size == len(pool) == 2
    assert [e.id for e in pool] == [e.id for e in pool] == ["p", "q"]
    opened = []

    def read():
        opened.append(1)
        yield Example("p", "p")

    file_pool = FilePool("a.jsonl", read)
    assert file_pool.size is None
    assert len(list(file_pool)) == len(list(file_pool)) == 1
    assert len(opened) == 2
    with pytest.raises(TypeError):
        len(file_pool)
