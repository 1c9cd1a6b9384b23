from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.toy_texts import texts_of
from vos.generation import prefix_value as module
from vos.generation.prefix_value import PENALTY, RESIDUALS, PrefixValue, Regression, first_words
from vos.mining.targets import Potential


def literal_ridge(x, y):
    """Minimise |y - x - [x 1] B|² + penalty |B without its last row|², by least squares on an augmented system."""
    n, k = x.shape
    design = np.hstack([x, np.ones((n, 1))])
    extra = math.sqrt(PENALTY) * np.eye(k + 1)[:k]
    change, *_ = np.linalg.lstsq(np.vstack([design, extra]), np.vstack([y - x, np.zeros((k, y.shape[1]))]), rcond=None)
    return change


@pytest.fixture
def rows(generator):
    x = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    noise = 0.3 * torch.randn(40, 4, generator=generator, dtype=torch.float64)
    return x, 0.5 * x + torch.tensor([1.0, 0.0, -2.0, 0.0], dtype=torch.float64) + noise


def test_the_regression_is_ridge_around_the_identity(rows):
    x, y = rows
    fitted = Regression.fit(x, y)
    np.testing.assert_allclose(fitted.change.numpy(), literal_ridge(x.numpy(), y.numpy()), atol=1e-10)
    expected = x.numpy() + np.hstack([x.numpy(), np.ones((40, 1))]) @ literal_ridge(x.numpy(), y.numpy())
    np.testing.assert_allclose(fitted.expected(x).numpy(), expected, atol=1e-10)


def test_residuals_are_those_of_texts_left_out(rows):
    x, y = (part.numpy() for part in rows)
    fitted = Regression.fit(*rows)
    for i in range(40):
        others = np.arange(40) != i
        change = literal_ridge(x[others], y[others])
        left = y[i] - x[i] - np.append(x[i], 1.0) @ change
        np.testing.assert_allclose(fitted.residuals[i].numpy(), left, atol=1e-9)


def test_residuals_are_bounded_in_number(generator):
    x = torch.randn(3 * RESIDUALS + 5, 2, generator=generator, dtype=torch.float64)
    assert RESIDUALS / 2 < len(Regression.fit(x, x).residuals) <= RESIDUALS


@pytest.fixture
def learned(featurizer, space, generator):
    """Texts of up to 19 words, so that some numbers of words have a regression and others have none."""
    texts = [" ".join(words) for words in zip(*(texts_of(120, seed=s) for s in (11, 12, 13)), strict=True)]
    texts = [first_words(text, 7 + i % 13) for i, text in enumerate(texts)]
    places = PrefixValue(featurizer, space, {}).places(texts)
    return texts, places, PrefixValue.fit(featurizer, space, texts, places, generator, 100)


def test_numbers_of_words_with_too_few_texts_have_no_regression(learned):
    texts, _, prefix_value = learned
    lengths = [len(text.split()) for text in texts]
    enough = [n for n in module.WORDS if sum(length >= n + 2 for length in lengths) >= module.FEWEST]
    assert list(prefix_value.regressions) == enough
    assert 2 in enough
    assert 36 not in enough


def test_the_prefix_value_is_nearer_than_where_a_beginning_stands(learned):
    texts, places, prefix_value = learned
    for words in (4, 6):
        rows = [i for i, text in enumerate(texts) if len(text.split()) > words]
        beginnings = [first_words(texts[i], words) for i in rows]
        told, numbers = prefix_value.expected(beginnings)
        assert set(numbers.tolist()) == {words}
        assert float((told - places[rows]).square().mean()) < 0.7 * float(
            (prefix_value.places(beginnings) - places[rows]).square().mean()
        )


def test_the_nearest_number_of_words_tells(learned):
    _, _, prefix_value = learned
    texts = ["w1", "w1 w2 w3 w4", "w1 w2 w3 w4 w5", " ".join(["w1"] * 60)]
    found, numbers = prefix_value.expected(texts)
    assert numbers.tolist() == [2, 4, 4, max(prefix_value.regressions)]
    stands = prefix_value.places(texts)
    for i, number in enumerate(numbers.tolist()):
        torch.testing.assert_close(found[i], prefix_value.regressions[number].expected(stands[i : i + 1])[0])


def test_the_value_is_the_mean_of_the_potential_over_the_residuals(learned, targets, space):
    _, _, prefix_value = learned
    potential, goal = Potential(beta=1.5, delta=0.3, tau=0.6), targets.at([1])
    expected, words = prefix_value.expected(texts_of(5, seed=21))
    found = prefix_value.log_value(expected, words, goal, potential)
    for i in range(5):
        total = 0.0
        residuals = prefix_value.regressions[int(words[i])].residuals
        for residual in residuals:
            place = expected[i] + residual
            gap = (place[:-1] - goal.coordinates[0]).square().mean().sqrt() / space.unit
            off = max(0.0, abs(float(place[-1]) - float(goal.margins[0])) - 0.3)
            total += math.exp(-0.75 * float(gap) ** 2 - 0.5 * (off / 0.6) ** 2)
        assert float(found[i]) == pytest.approx(math.log(total / len(residuals)), rel=1e-9)
    alone = torch.cat(
        [prefix_value.log_value(expected[i : i + 1], words[i : i + 1], goal, potential) for i in range(5)]
    )
    torch.testing.assert_close(found, alone)


def test_without_regressions_a_beginning_is_judged_as_a_whole(featurizer, space, targets):
    prefix_value, goal, potential = PrefixValue(featurizer, space, {}), targets.at([0]), Potential()
    texts = texts_of(4, seed=3)
    batch = featurizer.featurize(texts)
    margins = batch.logits[:, 1] - batch.logits[:, 0]
    expected = space.log_potential(batch.features, margins, goal, potential)[0][:, 0]
    torch.testing.assert_close(prefix_value.log_value(*prefix_value.expected(texts), goal, potential), expected)
