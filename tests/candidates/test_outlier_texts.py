import logging
from dataclasses import replace

import pytest
import torch

from vos.candidates.outlier_texts import Habits, OutlierText, WritingSettings, unlike, write_outlier_texts
from vos.candidates.particles import Sampling
from vos.errors import ConfigError, DataError
from vos.types import Example

SETTINGS = WritingSettings(12, 3, 32, 1, Sampling(max_tokens=40))
EXAMPLES = [Example(f"e{i}", f"The man number {i} fell over.", i % 4) for i in range(24)]
CLASS_OF = {example.id: example.label for example in EXAMPLES}


def test_texts_are_new_different_and_written_after_examples_of_different_classes(tiny_lm):
    seen = []
    texts, cost = write_outlier_texts(tiny_lm, EXAMPLES, SETTINGS, 0, seen.append)
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


def test_there_is_an_end_where_too_few_texts_are_found(tiny_lm, caplog):
    caplog.set_level(logging.WARNING)
    texts, _ = write_outlier_texts(tiny_lm, EXAMPLES, replace(SETTINGS, min_words=1000), 0)
    assert texts == []
    assert "0 of 12 texts after 4 prompts" in caplog.text


def test_training_texts_without_a_label_are_no_examples(tiny_lm):
    with pytest.raises(DataError, match="expected labelled training texts"):
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


def test_unlike_keeps_what_is_farther_than_training_texts_are_from_each_other():
    draw = torch.Generator().manual_seed(0)
    train, features = torch.randn(40, 6, generator=draw), torch.randn(30, 6, generator=draw)
    texts = [OutlierText(f"t{i}", ("p",)) for i in range(30)]

    def distance(a, b):
        return float((a / a.norm() - b / b.norm()).norm())

    nearest = sorted(min(distance(a, b) for j, b in enumerate(train) if j != i) for i, a in enumerate(train))
    least = nearest[31] + 0.2 * (nearest[32] - nearest[31])  # the quantile 0.8 of 40 numbers lies at place 31.2
    kept = unlike(texts, features, train, 0.8)
    expected = {f"t{i}": min(distance(a, b) for b in train) for i, a in enumerate(features)}
    assert {each.text for each in kept} == {name for name, value in expected.items() if value > least}
    assert 0 < len(kept) < 30
    for each in kept:
        assert each.distance == pytest.approx(expected[each.text], abs=1e-6)
        assert each.parents == ("p",)


def test_unlike_says_when_nothing_stays():
    train = torch.eye(4)
    with pytest.raises(DataError, match="none of 1 texts is farther than"):
        unlike([OutlierText("a")], train[:1], train, 0.5)


@pytest.mark.parametrize("quantile", [-0.1, 1.1])
def test_a_quantile_outside_its_range_is_refused(quantile):
    with pytest.raises(ConfigError, match=r"outlier_texts.quantile: expected a number in \[0, 1\]"):
        unlike([OutlierText("a")], torch.ones(1, 2), torch.eye(2), quantile)


@pytest.mark.parametrize("name", ["n", "shots", "per_prompt", "min_words"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ConfigError, match="expected n, shots, per_prompt and min_words of at least 1"):
        replace(SETTINGS, **{name: 0})
