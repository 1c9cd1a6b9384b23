"""Community views, complete: planted groups pass, noise and empty input do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.interpret.planted import planted
from vos.interpret.community_views import CommunitySettings, community_view
from vos.interpret.unit_token_graph import Occurrences, UnitTokenSettings, read_occurrences
from vos.interpret.units import UnitReader
from vos.models.encoder import EncoderClassifier

QUICK = CommunitySettings(graph=UnitTokenSettings(least=2, most=1.0), seeds=3, bootstraps=4, shuffles=24)


def occurrences(draw, strength=10.0, n_texts=200):
    """Texts of 20 tokens of 40; a unit's activation at a token is the planted weight and noise."""
    weights, labels = planted(draw, groups=4, units=8, tokens=10, strength=strength, present=1.0)
    tokens = draw.integers(40, size=20 * n_texts)
    values = weights.T[tokens] + draw.normal(size=(len(tokens), len(labels)))
    return Occurrences(tokens, np.repeat(range(n_texts), 20), values.astype(np.float32), n_texts), labels


def units(n, layers=2):
    return tuple((i % layers, i) for i in range(n))


def test_planted_groups_pass_and_are_told_by_their_tokens():
    draw = np.random.default_rng(0)
    seen, labels = occurrences(draw)
    view = community_view("across", seen, units(32), QUICK, draw)
    assert adjusted_rand_score(labels, view.found.labels) >= 0.95
    assert view.passed
    assert view.stability >= 0.95
    assert view.spectral.k == 4
    for c, group in enumerate(view.groups):
        own = set(labels[view.found.labels == c].tolist())
        assert {view.tokens[share.token] // 10 for share in group} == own
    assert view.merged == [[0], [1], [2], [3]]
    assert abs(view.ami_layer) < 0.15
    assert view.layout.shape == (32, 2)


def test_edges_are_the_strongest_of_the_graph():
    draw = np.random.default_rng(0)
    view = community_view("across", occurrences(draw)[0], units(32), replace(QUICK, shuffles=0), draw)
    dense = np.triu(view.graph.toarray(), 1)
    edges = view.strongest_edges(50)
    assert view.spectral is None
    assert [weight for *_, weight in edges] == sorted(dense.ravel().tolist(), reverse=True)[:50]
    assert all(a < b and dense[a, b] == weight for a, b, weight in edges)


def test_layers_that_are_the_communities_are_said_to_be():
    draw = np.random.default_rng(0)
    seen, labels = occurrences(draw)
    own = tuple((int(c), i) for i, c in enumerate(labels))
    assert community_view("across", seen, own, QUICK, draw).ami_layer >= 0.95


def test_noise_does_not_pass():
    draw = np.random.default_rng(0)
    n = 4000
    values = draw.normal(size=(n, 32)).astype(np.float32)
    seen = Occurrences(draw.integers(40, size=n), np.repeat(range(200), 20), values, 200)
    view = community_view("across", seen, units(32), QUICK, draw)
    assert view.stability < 0.3
    assert view.named_share == 0.0
    assert not view.passed


def test_the_same_generator_gives_the_same_view():
    seen, _ = occurrences(np.random.default_rng(0))
    first, second = (community_view("a", seen, units(32), QUICK, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.found.labels, second.found.labels)
    assert np.array_equal(first.layout, second.layout)
    assert first.agreements.tolist() == second.agreements.tolist()
    assert first.groups == second.groups


@pytest.mark.parametrize(("n", "u"), [(0, 4), (60, 0), (60, 1), (60, 4)])
def test_nothing_to_find_is_a_view_without_communities(n, u):
    seen = Occurrences(np.arange(n) % 3, np.arange(n) % 20, np.zeros((n, u), dtype=np.float32), 20)
    view = community_view("across", seen, units(u), QUICK, np.random.default_rng(0))
    assert view.found.labels.tolist() == [-1] * u
    assert (view.found.n, view.stability, view.named_share, view.n_tokens) == (0, 0.0, 0.0, 0)
    assert not view.passed
    assert view.strongest_edges(10) == view.groups == view.merged == []


def test_occurrences_are_the_activations_at_every_token(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("a", "b"), max_length=16)
    texts = ["she poured the oil", "", "gas made both of them ill, and the ladder fell on them"]
    chosen = [(1, 5), (0, 3), (1, 0)]
    reader = UnitReader(classifier)
    seen = read_occurrences(reader, texts, chosen)
    place = 0
    order = [i for batch in reader.read(texts, gradients=False) for i in batch.index.tolist()]
    for text in order:
        ids = classifier.tokenizer(texts[text], truncation=True, max_length=16)["input_ids"][1:-1]
        [batch] = reader.read([texts[text]], gradients=False)
        for k, token in enumerate(ids, start=1):
            assert (seen.tokens[place], seen.texts[place]) == (token, text)
            expected = [batch.activations[layer][0, k, unit] for layer, unit in chosen]
            assert seen.values[place].tolist() == pytest.approx(expected, abs=1e-5)
            place += 1
    assert place == len(seen.tokens)
    assert seen.n_texts == 3
    assert read_occurrences(reader, [], chosen).values.shape == (0, 3)
