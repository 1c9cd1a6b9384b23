"""Clusters, bands and counts of texts: everything is counted once, and the totals match."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vos.errors import ConfigError, ShapeError
from vos.interpret.coverage_table import BORROWED, Clusters, cluster_texts, coverage_table, margin_bands
from vos.interpret.text_sets import UNKNOWN

COUNTS = ("n", "labelled", "asked", "known", "errors")


def drawn(n=400, seed=0, clusters=3):
    draw = np.random.default_rng(seed)
    of = draw.integers(clusters, size=n)
    margins = draw.normal(size=n) * 2
    prediction = (margins > 0).astype(np.int64)
    label = np.where(draw.random(n) < 0.6, draw.integers(2, size=n), UNKNOWN)
    return Clusters(of, ((),) * clusters), margins, 0.5, label, prediction, draw.random(n) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_the_cells_add_up_to_the_totals_and_the_totals_to_the_texts(seed):
    clusters, margins, band, label, prediction, asked = drawn(seed=seed)
    table = coverage_table(clusters, margins, band, label, prediction, asked)
    for name in COUNTS:
        assert sum(getattr(cell, name) for cell in table.cells) == table.totals[name]
    known = label != UNKNOWN
    assert table.totals == {
        "n": 400,
        "labelled": int(known.sum()),
        "asked": int(asked.sum()),
        "known": int(known.sum()),
        "errors": int((known & (label != prediction)).sum()),
    }
    assert len({(cell.cluster, cell.band) for cell in table.cells}) == len(table.cells)


def test_every_cell_is_counted_text_by_text():
    clusters, margins, band, label, prediction, asked = drawn()
    table = coverage_table(clusters, margins, band, label, prediction, asked)
    for cell in table.cells:
        low, high = table.bands[cell.band]
        here = [
            i
            for i in range(400)
            if clusters.of[i] == cell.cluster
            and (low is None or margins[i] >= low)
            and (high is None or margins[i] < high)
        ]
        known = [i for i in here if label[i] != UNKNOWN]
        wrong = [i for i in known if label[i] != prediction[i]]
        assert (cell.n, cell.known, cell.errors) == (len(here), len(known), len(wrong))
        assert cell.asked == sum(asked[i] for i in here)


def test_expected_errors_are_the_rate_times_what_is_not_labelled():
    of = Clusters(np.array([0] * 40 + [1] * 40), ((), ()))
    margins = np.full(80, 0.1)
    label = np.array([1] * 10 + [0] * 10 + [UNKNOWN] * 20 + [1] * 20 + [UNKNOWN] * 20)
    table = coverage_table(of, margins, 1.0, label, np.ones(80, dtype=np.int64), np.zeros(80, dtype=bool))
    band_rate = 10 / 40
    expected = [(10 + BORROWED * band_rate) / (20 + BORROWED) * 20, BORROWED * band_rate / (20 + BORROWED) * 20]
    assert [cell.expected_errors for cell in table.cells] == pytest.approx(expected)


@pytest.mark.parametrize(
    "margins", [[], [0.0], [-0.0], [1.0], [-1.0], [0.2, 5.0], [-0.2, -5.0], [0.0, 0.1], [-9.0, 9.0, 0.1, -0.1]]
)
def test_bands_touch_and_hold_every_margin_once(margins):
    margins = np.array(margins)
    bands = margin_bands(margins, 0.5)
    assert bands[-1][1] is None
    for (_, high), (low, _) in itertools.pairwise(bands):
        assert high == low
    holds = [[(low is None or m >= low) and (high is None or m < high) for low, high in bands] for m in margins]
    assert all(sum(own) == 1 for own in holds)


def test_a_margin_of_minus_zero_lies_on_the_harmless_side():
    table = coverage_table(
        Clusters(np.zeros(3, dtype=np.int64), ((),)),
        np.array([-0.0, 0.0, -1.0]),
        0.5,
        np.full(3, UNKNOWN),
        np.array([0, 1, 0]),
        np.zeros(3, dtype=bool),
    )
    by_band = {table.bands[cell.band]: cell.n for cell in table.cells}
    assert by_band[(0.0, 0.5)] == 1


def test_a_table_without_texts_is_empty():
    none = np.zeros(0, dtype=np.int64)
    clusters = cluster_texts(np.zeros((0, 4)), [], 0)
    table = coverage_table(clusters, np.zeros(0), 0.5, none, none, np.zeros(0, dtype=bool))
    assert table.cells == ()
    assert set(table.totals.values()) == {0}


def test_arrays_of_different_lengths_and_a_band_of_no_width_are_refused():
    clusters, margins, band, label, prediction, asked = drawn()
    with pytest.raises(ShapeError, match=r"lengths \[399, 400\]"):
        coverage_table(clusters, margins[1:], band, label, prediction, asked)
    with pytest.raises(ConfigError, match="band"):
        margin_bands(margins, 0.0)


def topics(per=60):
    draw = np.random.default_rng(0)
    words = ["cat fur paw", "ship sail sea", "bread oven flour"]
    centres = 4 * np.eye(3, 8)
    texts, rows = [], []
    for i in range(3 * per):
        own = words[i % 3].split()
        texts.append(f"the {own[draw.integers(3)]} and {own[draw.integers(3)]} again")
        rows.append(centres[i % 3] + draw.normal(size=8) * 0.3)
    return np.array(rows), texts


def test_planted_clusters_are_found_and_named_by_their_words():
    features, texts = topics()
    found = cluster_texts(features, texts, 0, 3)
    assert adjusted_rand_score(found.of, np.arange(180) % 3) == 1.0
    topics_of = [{"cat", "fur", "paw"}, {"ship", "sail", "sea"}, {"bread", "oven", "flour"}]
    for c in range(3):
        own = topics_of[int(np.flatnonzero(found.of == c)[0]) % 3]
        assert set(found.words[c]) <= own
        assert found.words[c]
        assert found.names[c] == ", ".join(found.words[c])


def test_clusters_are_numbered_by_size_and_the_same_for_a_seed():
    features, texts = topics()
    features, texts = features[:100], texts[:100]
    once, again = (cluster_texts(features, texts, 5) for _ in range(2))
    np.testing.assert_array_equal(once.of, again.of)
    sizes = np.bincount(once.of)
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_texts_and_equal_texts_are_one_cluster(n):
    found = cluster_texts(np.ones((n, 3)), ["the same"] * n, 0)
    assert found.of.tolist() == [0] * n
    assert found.names == ("cluster 0",)
    assert cluster_texts(np.zeros((n, 3)), [""] * n, 0, 4).of.tolist() == [0] * n


def test_features_that_do_not_fit_the_texts_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, d\)"):
        cluster_texts(np.zeros((3, 2)), ["a", "b"], 0)
    with pytest.raises(ConfigError, match="n_clusters"):
        cluster_texts(np.zeros((2, 2)), ["a", "b"], 0, 0)
