"""Token groups: planted tokens, a null of permuted clusters, clusters with shared tokens, topics of texts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.interpret.planted import planted
from vos.errors import ConfigError, ShapeError
from vos.interpret.token_groups import TokenShare, merge_alike, token_groups


def test_planted_tokens_are_the_groups():
    draw = np.random.default_rng(0)
    weights, labels = planted(draw, groups=4, units=20, tokens=10, present=1.0)
    groups = token_groups(weights, labels, draw)
    for c, group in enumerate(groups):
        assert {share.token for share in group} == set(range(10 * c, 10 * c + 10))


def test_numbers_are_the_literal_ones():
    draw = np.random.default_rng(0)
    weights, labels = planted(draw, groups=2, units=10, tokens=3)
    for c, group in enumerate(token_groups(weights, labels, draw, permutations=199)):
        for share in group:
            own = [weights[u, share.token] for u in range(20) if labels[u] == c]
            rest = [weights[u, share.token] for u in range(20) if labels[u] != c]
            assert share.ratio == pytest.approx(np.mean(own) / np.mean(rest))
            assert share.share == pytest.approx(sum(own) / (sum(own) + sum(rest)))
            assert share.ratio >= 2
            assert 1 / 200 <= share.p < 0.01
        assert [share.ratio for share in group] == sorted((share.ratio for share in group), reverse=True)


def test_clusters_that_do_not_know_the_tokens_have_none():
    draw = np.random.default_rng(0)
    weights, labels = planted(draw, groups=4, units=20, tokens=10)
    found = token_groups(weights, draw.permutation(labels), draw)
    assert sum(len(group) for group in found) <= 5  # of 160, 1.6 by chance; six or more have probability .006


def test_a_token_that_lies_elsewhere_nowhere_has_an_infinite_ratio():
    weights = np.kron(np.eye(2), np.ones((8, 1)))
    groups = token_groups(weights, np.repeat([0, 1], 8), np.random.default_rng(0))
    assert [(share.token, share.ratio, share.share) for share in groups[1]] == [(1, np.inf, 1.0)]


def test_units_without_a_cluster_are_left_out():
    weights = np.kron(np.eye(2), np.ones((8, 1)))
    labels = np.repeat([0, 1], 8)
    with_others = np.concatenate([weights, np.full((5, 2), 99.0)])
    groups = token_groups(with_others, np.concatenate([labels, np.full(5, -1)]), np.random.default_rng(0))
    assert groups == token_groups(weights, labels, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("weights", "labels", "expected"),
    [
        (np.zeros((0, 3)), [], []),
        (np.zeros((3, 0)), [-1, -1, -1], []),
        (np.ones((1, 3)), [0], [[]]),
        (np.zeros((4, 3)), [0, 0, 1, 1], [[], []]),
    ],
)
def test_too_little_gives_no_tokens(weights, labels, expected):
    assert token_groups(weights, np.array(labels, dtype=np.int64), np.random.default_rng(0)) == expected


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ConfigError, match="more than 99 permutations"):
        token_groups(np.ones((2, 2)), np.array([0, 1]), np.random.default_rng(0), permutations=99)
    with pytest.raises(ShapeError, match="labels"):
        token_groups(np.ones((2, 2)), np.array([0]), np.random.default_rng(0))


def group(*tokens):
    return [TokenShare(token, 0.9, 3.0, 0.001) for token in tokens]


def test_clusters_with_like_tokens_are_merged_also_over_a_third():
    assert merge_alike([group(1, 2), group(8, 9), group(2, 3), group(3, 4), [], []]) == [[0, 2, 3], [1], [4], [5]]
    assert merge_alike([group(1, 2, 3), group(3, 4, 5)]) == [[0], [1]]
    assert merge_alike([]) == []
