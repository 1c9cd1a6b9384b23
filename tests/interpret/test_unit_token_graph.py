"""The unit-token graph: literal means over occurrences, the selected tokens, and draws of texts."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import ConfigError, ShapeError
from vos.interpret.unit_token_graph import Occurrences, UnitTokenCounts, UnitTokenSettings

EVERY = {"least": 1, "most": 1.0}


def occurrences(seed=0, n=60, units=5, n_texts=12, vocabulary=7):
    draw = np.random.default_rng(seed)
    texts = np.sort(draw.integers(n_texts, size=n))
    tokens = draw.integers(vocabulary, size=n) * 3
    return Occurrences(tokens, texts, draw.normal(size=(n, units)).astype(np.float32), n_texts)


def literal_means(seen, magnitude, counts=None):
    """Mean of each unit at each token, one occurrence after the other, a text as often as counts says."""
    total, number = {}, {}
    for token, text, values in zip(seen.tokens, seen.texts, seen.values, strict=True):
        times = 1.0 if counts is None else counts[text]
        total[token] = total.get(token, 0.0) + times * (np.abs(values) if magnitude else values).astype(float)
        number[token] = number.get(token, 0.0) + times
    return np.stack([total[t] / number[t] if number[t] else 0 * total[t] for t in sorted(total)], axis=1)


@pytest.mark.parametrize("drawn", [False, True])
def test_magnitudes_are_the_literal_means(drawn):
    seen = occurrences()
    counts = np.random.default_rng(1).integers(3, size=seen.n_texts).astype(float) if drawn else None
    graph = UnitTokenCounts(seen, UnitTokenSettings("magnitude", **EVERY)).graph(counts)
    assert graph.tokens.tolist() == sorted(set(seen.tokens.tolist()))
    assert graph.weights == pytest.approx(literal_means(seen, magnitude=True, counts=counts), abs=1e-6)


def test_activations_are_standardised_by_unit_and_cut_at_zero():
    seen = occurrences()
    means = literal_means(seen, magnitude=False)
    weights = UnitTokenCounts(seen, UnitTokenSettings("activation", **EVERY)).graph().weights
    for unit in range(5):
        expected = [max((m - np.mean(means[unit])) / np.std(means[unit]), 0.0) for m in means[unit]]
        assert weights[unit] == pytest.approx(expected, abs=1e-5)


def test_logs_are_double_centred_and_cut_at_zero():
    seen = occurrences()
    logs = np.log(literal_means(seen, magnitude=True))
    weights = UnitTokenCounts(seen, UnitTokenSettings("log_activation", **EVERY)).graph().weights
    for unit in range(5):
        for token in range(7):
            value = logs[unit, token] - logs[unit].mean() - logs[:, token].mean() + logs.mean()
            assert weights[unit, token] == pytest.approx(max(value, 0.0), abs=1e-5)


def test_scales_of_units_do_not_count_where_they_are_taken_out():
    seen = occurrences()
    louder = Occurrences(seen.tokens, seen.texts, seen.values * np.float32([1, 2, 4, 8, 16]), seen.n_texts)
    for weighting in ("activation", "log_activation"):
        settings = UnitTokenSettings(weighting, **EVERY)
        first, second = (UnitTokenCounts(each, settings).graph().weights for each in (seen, louder))
        assert first == pytest.approx(second, abs=1e-5)


def test_rare_and_common_tokens_are_left_out():
    """Token 1 is in each of ten texts, 2 in three, 3 five times in one text."""
    tokens = np.array([1] * 10 + [2] * 3 + [3] * 5)
    texts = np.array([*range(10), 0, 1, 2, 4, 4, 4, 4, 4])
    seen = Occurrences(tokens, texts, np.ones((18, 2), dtype=np.float32), 10)
    graph = UnitTokenCounts(seen, UnitTokenSettings("magnitude", least=2, most=0.3)).graph()
    assert graph.tokens.tolist() == [2]
    assert graph.n_texts.tolist() == [3]


def test_a_draw_without_a_token_keeps_its_column_empty():
    seen = occurrences()
    counts = np.zeros(seen.n_texts)
    counts[seen.texts[0]] = 1.0
    for weighting in ("activation", "log_activation", "magnitude"):
        counter = UnitTokenCounts(seen, UnitTokenSettings(weighting, **EVERY))
        graph = counter.graph(counts)
        absent = ~np.isin(graph.tokens, seen.tokens[seen.texts == seen.texts[0]])
        assert graph.weights.shape == counter.graph().weights.shape
        assert absent.any()
        assert (graph.weights[:, absent] == 0).all()


@pytest.mark.parametrize("weighting", ["activation", "log_activation", "magnitude"])
@pytest.mark.parametrize(("n", "units"), [(0, 3), (6, 1), (6, 0), (6, 4)])
def test_units_that_are_always_zero_have_no_weight(weighting, n, units):
    seen = Occurrences(np.arange(n) % 2, np.arange(n), np.zeros((n, units), dtype=np.float32), max(n, 1))
    weights = UnitTokenCounts(seen, UnitTokenSettings(weighting, **EVERY)).graph().weights
    assert weights.shape == (units, min(n, 2))
    assert not weights.any()


def test_units_can_be_chosen():
    seen = occurrences()
    assert np.array_equal(seen.of_units(np.array([3, 1])).values, seen.values[:, [3, 1]])


def test_bad_settings_and_shapes_are_refused():
    for options in ({"weighting": "tfidf"}, {"least": 0}, {"most": 0.0}, {"most": 1.5}):
        with pytest.raises(ConfigError, match="expected"):
            UnitTokenSettings(**options)
    two, values = np.array([0, 1]), np.ones((2, 3), dtype=np.float32)
    with pytest.raises(ShapeError, match=r"tokens \(n,\)"):
        Occurrences(two, two, values[:1], 2)
    with pytest.raises(ShapeError, match="texts from 0 to 0"):
        Occurrences(two, two, values, 1)
    with pytest.raises(ShapeError, match="finite"):
        Occurrences(two, two, values * np.float32("nan"), 2)
