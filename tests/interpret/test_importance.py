"""Unit importance on a model whose unit effects are known in closed form, and on a small transformer."""

import numpy as np
import pytest

from tests.interpret.toy_units import N_UNITS, ToyClassifier, closed_form
from vos.errors import ConfigError
from vos.interpret.importance import (
    SetAblation,
    ablate_set,
    ablate_singly,
    rank_agreement,
    screen_units,
    spread_of_ranks,
    token_activations,
)
from vos.interpret.units import UnitReader
from vos.models import EncoderClassifier

TEXTS = [
    "she fell", "the cat sat on the wall", "he was burned by the oil in her ladder of steam", "unheard of",
    "the ladder broke", "steam", "the oil poured on the cat and she sat in the steam of the wall by her ladder",
]  # fmt: skip


@pytest.fixture(scope="module")
def toy():
    return ToyClassifier()


def means_and_effects(toy):
    """Means by kind (3, u) and each unit's part of each margin above its mean (n, u), token by token."""
    rows, reads = closed_form(toy, TEXTS)
    means = np.zeros((3, N_UNITS))
    for kind in range(3):
        means[kind] = np.mean(
            [row for units, kinds in rows for row, k in zip(units, kinds, strict=True) if k == kind], 0
        )
    effects = [
        np.mean([row - means[k] for row, k in zip(units, kinds, strict=True)], axis=0) * reads for units, kinds in rows
    ]
    return means, np.array(effects)


def test_attribution_is_each_units_part_where_the_margin_is_linear_in_the_units(toy):
    means, effects = means_and_effects(toy)
    screen = screen_units(UnitReader(toy, max_tokens=25), TEXTS)
    np.testing.assert_allclose(screen.means[0], means, atol=1e-5)
    np.testing.assert_allclose(screen.attribution[:, 0], effects, atol=1e-4)
    np.testing.assert_allclose(screen.score()[0], np.abs(effects).mean(0), atol=1e-4)
    np.testing.assert_allclose(screen.score([1, 4])[0], np.abs(effects[[1, 4]]).mean(0), atol=1e-4)
    expected = np.argsort(-np.abs(effects).mean(0))[:3]
    assert screen.top(3) == [(0, int(u)) for u in expected]


def test_single_ablation_is_what_attribution_estimates(toy):
    reader = UnitReader(toy)
    screen = screen_units(reader, TEXTS)
    units = [(0, u) for u in range(N_UNITS)]
    found = ablate_singly(reader, TEXTS, units, screen.means)
    np.testing.assert_allclose(found.T, screen.attribution[:, 0], atol=1e-4)


def test_ablating_a_set_is_the_sum_of_its_units_here(toy):
    reader = UnitReader(toy)
    screen = screen_units(reader, TEXTS)
    found = ablate_set(reader, TEXTS, [(0, 2), (0, 7)], screen.means, np.random.default_rng(0), n_random=5)
    together = screen.attribution[:, 0, 2] + screen.attribution[:, 0, 7]
    assert found.top == pytest.approx(np.abs(together).mean(), abs=1e-4)
    assert found.random.shape == (5,)
    assert found.ratio == pytest.approx(found.top / found.random.max())
    again = ablate_set(reader, TEXTS, [(0, 2), (0, 7)], screen.means, np.random.default_rng(0), n_random=5)
    np.testing.assert_array_equal(found.random, again.random)


def test_random_sets_keep_the_layers(tiny_encoder, monkeypatch):
    reader = UnitReader(EncoderClassifier(tiny_encoder, ("harmless", "harmful"), harmful=(1,)))
    means, seen = reader.means(TEXTS), []
    real = reader.ablated

    def ablated(texts, units, means):
        seen.append(list(units))
        return real(texts, units, means)

    monkeypatch.setattr(reader, "ablated", ablated)
    ablate_set(reader, TEXTS, [(1, 0), (1, 1), (0, 4)], means, np.random.default_rng(0), n_random=3)
    for units in seen[2:]:  # the first call has no unit, the second the set
        assert sorted(layer for layer, _ in units) == [0, 1, 1]
        assert len(set(units)) == 3
    assert len(seen) == 5


def test_tokens_that_a_unit_fires_at(toy):
    screen = screen_units(UnitReader(toy, max_tokens=25), TEXTS, min_count=2)
    rows, _ = closed_form(toy, TEXTS)
    by_token = {}
    for text, (units, _kinds) in zip(TEXTS, rows, strict=True):
        for i, row in zip(toy.tokenizer(text)["input_ids"][1:-1], units[1:-1], strict=True):
            by_token.setdefault(i, []).append(row)
    kept = sorted(i for i, seen in by_token.items() if len(seen) >= 2)
    assert screen.tokens.ids.tolist() == kept
    assert screen.tokens.counts.tolist() == [len(by_token[i]) for i in kept]
    expected = np.array([np.mean(by_token[i], axis=0) for i in kept])
    np.testing.assert_allclose(screen.tokens.means[0].T, expected, atol=1e-4)
    again = token_activations(UnitReader(toy), TEXTS, min_count=2)
    np.testing.assert_allclose(again.means, screen.tokens.means, atol=1e-5)
    assert screen.tokens.of((0, 5), 2).tolist() == [kept[i] for i in np.argsort(-expected[:, 5], kind="stable")[:2]]


def test_the_screen_ranks_the_units_of_a_transformer_as_ablation_does(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"), harmful=(1,))
    reader = UnitReader(classifier)
    screen = screen_units(reader, TEXTS)
    units = [(layer, u) for layer in range(2) for u in range(reader.n_units)]
    effect = np.abs(ablate_singly(reader, TEXTS, units, screen.means)).mean(1)
    assert rank_agreement(screen.score().ravel(), effect) > 0.95  # random weights are nearly linear


def test_spread_of_ranks_goes_from_the_largest_to_the_smallest():
    score = np.array([[5.0, 1.0, 3.0], [0.0, 4.0, 2.0]])
    assert spread_of_ranks(score, 3) == [(0, 0), (0, 2), (1, 0)] or spread_of_ranks(score, 3) == [
        (0, 0),
        (1, 2),
        (1, 0),
    ]
    assert spread_of_ranks(score, 50) == [(0, 0), (1, 1), (0, 2), (1, 2), (0, 1), (1, 0)]


def test_degenerate_numbers():
    assert SetAblation(1.0, np.zeros(3)).ratio == np.inf
    assert np.isnan(rank_agreement(np.ones(4), np.arange(4.0)))
    assert rank_agreement(np.arange(4.0), np.arange(4.0) ** 3) == pytest.approx(1.0)


def test_bad_input(toy):
    reader = UnitReader(toy)
    with pytest.raises(ConfigError, match="at least one to screen"):
        screen_units(reader, [])
    screen = screen_units(reader, ["steam"])
    assert len(screen.tokens.ids) == 0
    with pytest.raises(ConfigError, match="rows"):
        screen.score([])
    for texts, units, n in (([], [(0, 1)], 2), (TEXTS, [], 2), (TEXTS, [(0, 1)], 0)):
        with pytest.raises(ConfigError, match="at least"):
            ablate_set(reader, texts, units, screen.means, np.random.default_rng(0), n)
