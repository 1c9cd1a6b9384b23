import logging
from dataclasses import replace

import pytest

from vos.errors import ConfigError, DataError
from vos.exposure.write import Habits, WritingSettings, write_outlier_texts
from vos.generation.particles import Extender, Sampling
from vos.types import Example

SETTINGS = WritingSettings(12, 3, 32, 1, 20, Sampling(max_tokens=40))
EXAMPLES = [Example(f"e{i}", f"The man number {i} fell over.", i % 4) for i in range(24)]
CLASS_OF = {example.id: example.label for example in EXAMPLES}


def test_texts_are_new_different_and_written_after_examples_of_different_classes(tiny_lm):
    seen = []
    texts, cost = write_outlier_texts(tiny_lm, EXAMPLES, SETTINGS, 0, progress=seen.append)
    assert len(texts) == len({each.text.lower() for each in texts}) == 12
    assert not {each.text for each in texts} & {example.text for example in EXAMPLES}
    assert all(len({CLASS_OF[parent] for parent in each.parents}) == 3 for each in texts)
    assert cost.lm_tokens > sum(len(tiny_lm.encode(each.text)) for each in texts)
    assert seen == sorted(seen)
    assert seen[-1] == 12


def test_the_seed_decides_the_texts(tiny_lm):
    first, _ = write_outlier_texts(tiny_lm, EXAMPLES, SETTINGS, 0)
    again, _ = write_outlier_texts(tiny_lm, EXAMPLES, SETTINGS, 0)
    other, _ = write_outlier_texts(tiny_lm, EXAMPLES, SETTINGS, 1)
    assert first == again
    assert {each.text for each in first} != {each.text for each in other}


def test_few_classes_take_turns_as_examples(tiny_lm):
    two = [example for example in EXAMPLES if example.label < 2]
    texts, _ = write_outlier_texts(tiny_lm, two, replace(SETTINGS, shots=6), 0)
    for each in texts:
        classes = [CLASS_OF[parent] for parent in each.parents]
        assert (classes.count(0), classes.count(1)) == (3, 3)


class Scripted:
    """A language model that writes what it is told to, after every prompt the same."""

    name = "scripted"

    def __init__(self, *written):
        self.written = written
        self.prompts = []

    def start(self, prompt, n, max_tokens):
        self.prompts.append(prompt)
        return self

    def extender(self, sampling, generator, cost=None):
        return Extender(sampling, generator, cost)

    def texts(self):
        return [text for text, _ in self.written]

    @property
    def finished(self):
        return [finished for _, finished in self.written]

    @property
    def tokens(self):
        return [[0] * 99 for _ in self.written]  # beyond the limit: nothing is left to lengthen


QUESTIONS = [Example(f"q{i}", f"where is  the kettle {i}", i % 2) for i in range(6)]


def test_what_is_written_is_sorted_and_counted(caplog):
    caplog.set_level(logging.INFO)
    model = Scripted(
        ("Where Is My  Aunt?", True),
        ("where is my aunt", True),  # a repeat
        ("Where is the kettle 3?", True),  # a training text
        ("How far is Rome", True),  # known from elsewhere
        ("and then she was", False),
        ("hi", True),
    )
    texts, _ = write_outlier_texts(model, QUESTIONS, replace(SETTINGS, min_words=2), 0, ["how far is  rome"])
    assert [each.text for each in texts] == ["where is my  aunt"]
    assert len(model.prompts) == SETTINGS.most_prompts == 4
    assert "1 of 12 texts after 4 prompts" in caplog.text
    assert "left out while writing: 15 known or repeated, 4 not finished, 4 too short" in caplog.text
    assert all(prompt.count("\n") == 3 and "  " not in prompt for prompt in model.prompts)


def test_nothing_usable_is_an_error_that_says_why():
    model = Scripted(("and then she was", False))
    with pytest.raises(DataError, match=r"scripted wrote after 4 prompts \(left out: 4 not finished\); for long texts"):
        write_outlier_texts(model, QUESTIONS, SETTINGS, 0)


def test_long_training_texts_are_no_examples():
    long = Example("long", "word " * 50, 0)
    model = Scripted(("one two", True))
    write_outlier_texts(model, [long, *QUESTIONS], SETTINGS, 0)
    assert not any("word" in prompt for prompt in model.prompts)
    with pytest.raises(DataError, match="at most 20 words to write after, got none among 1; raise"):
        write_outlier_texts(model, [long], SETTINGS, 0)


def test_training_texts_without_a_label_are_no_examples(tiny_lm):
    with pytest.raises(DataError, match="expected labelled training texts of at most 20 words"):
        write_outlier_texts(tiny_lm, [Example("a", "He fell.")], SETTINGS, 0)


@pytest.mark.parametrize(
    ("texts", "habits"),
    [
        (["where is it", "my card"], Habits(lower=True, open_end=True)),
        (["Where is it?", "my card"], Habits(lower=False, open_end=False)),
        (["He fell.", "She ran."], Habits(lower=False, open_end=False)),
        (["He fell", "She ran"], Habits(lower=False, open_end=True)),
    ],
)
def test_habits_are_those_of_almost_all_texts(texts, habits):
    assert Habits.of(texts) == habits


@pytest.mark.parametrize("name", ["n", "shots", "per_prompt", "min_words", "max_words"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ConfigError, match="expected n, shots, per_prompt, min_words and max_words of at least 1"):
        replace(SETTINGS, **{name: 0})
