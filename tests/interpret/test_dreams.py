"""Which texts are shown for a target, and that new texts improve under the rules of their writer."""

import numpy as np

from vos.interpret.dreams import Dream, exciting, written


def test_made_texts_that_excite_come_first():
    values = np.array([0.2, 5.0, 4.0, -1.0, 3.0, 2.4, 1.0, 6.0])
    made = np.array([False, False, False, True, True, True, True, False])
    assert exciting(values, made, 3) == [
        Dream(3.0, 4), Dream(2.4, 5), Dream(6.0, 7), Dream(5.0, 1), Dream(4.0, 2),
    ]  # fmt: skip
    assert [d.index for d in exciting(values, made, 1)] == [4, 7]


def test_texts_that_do_not_excite_are_not_shown():
    assert exciting(np.array([-1.0, 0.0]), np.array([False, True])) == []
    assert exciting(np.zeros(0), np.zeros(0, dtype=bool)) == []
    assert exciting(np.array([1.0, -2.0]), np.array([True, False])) == [Dream(1.0, 0)]


def length(texts):
    return np.array([float(len(text)) for text in texts])


def test_new_texts_are_written_after_the_most_exciting_and_kept_by_value():
    shown = []

    def write(examples, number):
        shown.append(list(examples))
        return [examples[0] + "x" * (number + 1), "a", examples[-1]]

    found = written(write, length, ["aaa", "bb"], n=3, rounds=3, n_examples=2)
    assert shown == [["aaa", "bb"], ["aaax", "aaa"], ["aaaxxx", "aaax"]]
    assert [(dream.text, dream.value, dream.index) for dream in found] == [
        ("aaaxxxxxx", 9.0, None), ("aaaxxx", 6.0, None), ("aaax", 4.0, None),
    ]  # fmt: skip


def test_a_writer_without_a_new_text_gives_none():
    assert written(lambda examples, number: list(examples), length, ["a"]) == []
    assert written(lambda examples, number: [], length, ["a"]) == []
    assert written(lambda examples, number: ["never asked"], length, []) == []
    assert written(lambda examples, number: ["b"], lambda texts: -length(texts), ["a"]) == []
