"""Different texts with the same id are noticed, whatever the order, the parts and the size of the pool."""

from __future__ import annotations

import numpy as np
import pytest

from vos.synthesis.repeated_ids import SIZE, RepeatedIds
from vos.types import Example


def seen(examples):
    ids = RepeatedIds()
    assert list(ids.watch(examples)) == examples
    assert len(ids.texts) <= 2 * SIZE
    return ids


def numbered(n, of):
    return [Example(str(i), f"text {i} of {of}") for i in range(n)]


def together(*parts):
    whole = RepeatedIds()
    for part in parts:
        whole.add(part)
    return whole


@pytest.mark.parametrize(("first", "second"), [(2, 5), (2, 4000), (4000, 3000), (20_000, 20_000)])
def test_files_that_number_from_one_are_noticed_whatever_their_order(first, second):
    one, two = numbered(first, "a"), numbered(second, "b")
    assert not seen(one).found
    assert not seen(two).found
    mixed = [(one + two)[i] for i in np.random.default_rng(0).permutation(first + second)]
    found = [
        seen(one + two),
        seen(two + one),
        seen(mixed),
        together(seen(one), seen(two)),
        together(seen(two), seen(one)),
    ]
    assert all(each.smallest() == found[0].smallest() for each in found)
    if second != 4000:  # 2 ids of 4,000 are too few to be noticed
        assert found[0].found


def test_one_id_for_all_texts_is_noticed():
    assert seen([Example("forum", f"text {i}") for i in range(3)]).found


def test_a_text_that_occurs_twice_is_the_same_text():
    texts = numbered(3000, "a")
    again = [Example(each.id, f" {each.text}  ") for each in texts]
    assert not seen([*texts, *again]).found
    assert not together(seen(texts), seen(again)).found
