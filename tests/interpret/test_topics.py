"""Topics of clusters: literal t, a planted topic, and uninformative columns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from vos.errors import ShapeError
from vos.interpret.topics import text_activity, topic_tags
from vos.interpret.unit_token_graph import Occurrences


def test_activity_is_the_mean_of_standardised_units_over_a_text():
    draw = np.random.default_rng(0)
    values, texts = draw.normal(2, 3, size=(30, 4)).astype(np.float32), np.repeat(range(6), 5)
    labels = np.array([0, 1, -1, 0])
    found = text_activity(Occurrences(np.zeros(30, dtype=np.int64), texts, values, 7), labels)
    scaled = (values.astype(float) - values.mean(0, dtype=float)) / values.std(0, dtype=float)
    for text in range(6):
        here = scaled[5 * text : 5 * text + 5]
        assert found[text] == pytest.approx([here[:, [0, 3]].mean(), here[:, 1].mean()], abs=1e-5)
    assert np.isnan(found[6]).all()


def test_a_planted_topic_is_tagged_with_the_literal_t():
    draw = np.random.default_rng(0)
    column = [["bakery", "harbour", "clinic"][i % 3] for i in range(90)]
    activity = draw.normal(size=(90, 2))
    activity[::3, 1] += 2.0
    tags = topic_tags(activity, column, draw)
    assert tags[1][0].value == "bakery"
    assert tags[1][0].n == 30
    others = np.array(column) != "bakery"
    expected = ttest_ind(activity[~others, 1], activity[others, 1], equal_var=False).statistic
    assert tags[1][0].z == pytest.approx(expected)
    assert tags[0] == []


def test_a_shuffled_column_has_no_topics():
    """One of 20 columns is tagged by chance; four or more have probability .016."""
    draw = np.random.default_rng(1)
    activity = draw.normal(size=(60, 3))
    tagged = 0
    for _ in range(20):
        column = draw.permutation(["a", "b", "c", "d"] * 15).tolist()
        tagged += any(topic_tags(activity, column, draw, permutations=100))
    assert tagged < 4


@pytest.mark.parametrize(
    ("activity", "column"),
    [
        (np.empty((0, 2)), []),
        (np.full((9, 1), np.nan), ["a"] * 9),
        (np.zeros((12, 1)), ["a", "b"] * 6),
        (np.ones((12, 1)), [None] * 12),
        (np.arange(12.0)[:, None], [f"id-{i}" for i in range(12)]),
        (np.arange(12.0)[:, None], ["same"] * 12),
        (np.empty((12, 0)), ["a", "b"] * 6),
    ],
)
def test_what_says_nothing_has_no_topics(activity, column):
    assert topic_tags(activity, column, np.random.default_rng(0), permutations=20) == [[]] * activity.shape[1]


def test_texts_without_a_value_are_left_out():
    draw = np.random.default_rng(0)
    activity = draw.normal(size=(40, 1))
    activity[:10] += 5
    column = ["a"] * 10 + ["b"] * 10 + [None] * 20
    [tags] = topic_tags(activity, column, draw)
    expected = ttest_ind(activity[:10, 0], activity[10:20, 0], equal_var=False).statistic
    assert {tag.value: tag.z for tag in tags} == pytest.approx({"a": expected, "b": -expected})


def test_another_length_is_refused():
    with pytest.raises(ShapeError, match="each of the 3 texts, got 2"):
        topic_tags(np.ones((3, 1)), ["a", "b"], np.random.default_rng(0))
