"""Retrieval through faiss: the same texts as brute force, features on disk, and measured recall."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.toy_texts import WordFeaturizer, texts_of
from vos.errors import ConfigError, DataError
from vos.mining.index import ApproximateSettings, approximate_neighbours, check_index, exact_neighbours, recall
from vos.mining.indexed import MOST, retrieve_indexed
from vos.mining.pool_features import PoolFeatures, content_hash, examples_at
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential
from vos.types import Example

pytest.importorskip("faiss", reason="faiss is in the extra 'retrieval'")

FEW = ApproximateSettings(lists=8, probes=2, train_per_list=8, seed=0)
ALL = ApproximateSettings(lists=8, probes=8, train_per_list=8, seed=0)


@pytest.fixture
def both(featurizer, density, space, targets, tmp_path):
    """Brute force and the index on the same pool."""

    def call(pool, potential, per_target=4, approximate=None):
        search = Search(density, space, targets, potential, per_target, n_random=9, chunk_size=16)
        brute = retrieve(pool, featurizer, search, torch.Generator().manual_seed(0))
        store = PoolFeatures.build(tmp_path, "words", pool, featurizer, 16)
        index = retrieve_indexed(pool, store, search, torch.Generator().manual_seed(0), approximate)
        return brute, index

    return call


def numbers(found):
    return [[(c.example.id, c.target, c.distance, c.log_potential, c.margin) for c in kept] for kept in found.by_target]


@pytest.mark.parametrize("approximate", [None, ALL])
@pytest.mark.parametrize(
    "potential",
    [
        Potential(beta=4.0, delta=0.5, tau=0.25),
        Potential(beta=0.0, delta=0.1, tau=0.25),  # the margin alone: distance tells nothing, all rows are compared
        Potential(beta=50.0, delta=9.0, tau=1.0),  # the distance alone
        Potential(beta=0.1, delta=0.0, tau=0.01),  # hardly the distance
    ],
)
def test_the_index_gives_the_texts_and_numbers_of_brute_force(both, pool, potential, approximate):
    brute, index = both(pool, potential, approximate=approximate)
    for first, second in zip(brute.by_target, index.by_target, strict=True):
        assert [c.example.id for c in first] == [c.example.id for c in second]
        for one, two in zip(first, second, strict=True):
            assert (one.target, one.example) == (two.target, two.example)
            assert two.distance == pytest.approx(one.distance, rel=1e-9)
            assert two.log_potential == pytest.approx(one.log_potential, rel=1e-9, abs=1e-12)
            assert two.margin == pytest.approx(one.margin, abs=1e-6)
            assert two.mahalanobis == pytest.approx(one.mahalanobis, rel=1e-9)
            assert two.probability == pytest.approx(one.probability, rel=1e-6)
    assert [c.example.id for c in brute.random] == [c.example.id for c in index.random]
    assert (brute.n_scored, brute.margin_counts) == (index.n_scored, index.margin_counts)


@pytest.mark.parametrize("n", [0, 1, 3, 17])
def test_small_pools_give_what_they_have(both, pool, n):
    brute, index = both(pool[:n], Potential(beta=4.0, delta=0.5, tau=0.25), per_target=5)
    assert [[c.example.id for c in kept] for kept in brute.by_target] == [
        [c.example.id for c in kept] for kept in index.by_target
    ]
    assert index.n_scored == n


def test_equal_texts_are_ordered_by_their_ids(both, pool):
    copies = [Example(f"c{i}", pool[0].text) for i in random.Random(0).sample(range(9), 9)]  # noqa: S311 - no secret
    _, index = both([*pool[:20], *copies], Potential(beta=4.0, delta=9.0, tau=0.25), per_target=29)
    for kept in index.by_target:
        ids = [c.example.id for c in kept if c.example.text == pool[0].text]
        assert ids == sorted(ids)
        assert len(ids) == 10


def test_a_large_pool_is_scanned_where_few_texts_have_the_margin(space, density, targets, tmp_path):
    class Vectors:
        """Features from the id; most margins are far from every target's."""

        head = WordFeaturizer.head
        model_hash = "vectors"

        def stream(self, examples, size):
            from vos.types import FeatureBatch

            rows = list(examples)
            draw = torch.Generator().manual_seed(3)
            features = torch.randn(len(rows), 6, generator=draw) * 0.5
            features[4:] += 20 * self.head.weight[1]
            yield rows, FeatureBatch(features, self.head.logits(features))

    pool = [Example(f"p{i:05d}", f"text {i}") for i in range(MOST + 100)]
    store = PoolFeatures.build(tmp_path, "vectors", pool, Vectors(), len(pool))
    potential = Potential(beta=0.01, delta=0.1, tau=0.05)
    search = Search(density, space, targets, potential, per_target=6, n_random=0, chunk_size=1000)
    found = retrieve_indexed(pool, store, search, torch.Generator().manual_seed(0))
    features = store.at(range(store.n))
    margins = features @ space.head.weight[1] + space.head.bias[1]
    values, _ = space.log_potential(features, margins, targets, potential)
    for target, kept in enumerate(found.by_target):
        assert [int(c.example.id[1:]) for c in kept] == values[:, target].topk(6).indices.tolist()


def test_an_approximate_index_tells_what_it_misses(both, pool):
    _, few = both(pool, Potential(beta=4.0, delta=9.0, tau=0.25), approximate=FEW)
    _, every = both(pool, Potential(beta=4.0, delta=9.0, tau=0.25), approximate=ALL)
    assert 0 < few.index["recall_at_10"] < 1
    assert every.index == {"recall_at_10": 1.0}
    assert all(len(kept) == 4 for kept in few.by_target)


def test_recall_is_the_share_of_the_true_neighbours():
    coordinates = np.arange(40, dtype=np.float32)[:, None]

    def half(targets, k):
        rows = exact_neighbours(coordinates)(targets, k)[1].copy()
        rows[:, k // 2 :] = -1
        return None, rows

    assert recall(half, coordinates, coordinates[:4]) == 0.5
    assert recall(exact_neighbours(coordinates), coordinates, coordinates[:4]) == 1.0


def test_the_same_seed_gives_the_same_lists(generator):
    coordinates = torch.randn(400, 3, generator=generator).numpy()
    first, second, third = (
        approximate_neighbours(coordinates, ApproximateSettings(8, 1, 16, seed))(coordinates[:30], 20)[1]
        for seed in (0, 0, 1)
    )
    assert (first == second).all()
    assert (first != third).any()


def test_features_are_reused_and_a_build_goes_on_where_it_stood(pool, tmp_path):
    featurizer = WordFeaturizer()
    steps = []
    whole = PoolFeatures.build(tmp_path / "whole", "e", pool, featurizer, 16, steps.append)
    assert featurizer.calls == 150
    assert sum(steps) == 150
    steps.clear()
    again = PoolFeatures.build(tmp_path / "whole", "e", pool, featurizer, 16, steps.append)
    assert featurizer.calls == 150  # nothing was computed
    assert steps == [150]
    assert torch.equal(again.at(range(150)), whole.at(range(150)))
    # Cut off in the middle of a row of the fourth chunk.
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / whole.path.with_suffix(".partial").name).write_bytes(whole.path.read_bytes()[: 55 * 7 * 4 + 3])
    steps.clear()
    resumed = PoolFeatures.build(folder, "e", pool, featurizer, 16, steps.append)
    assert featurizer.calls == 150 + (150 - 48)
    assert steps[0] == 48
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert not list(folder.glob("*.partial"))


def test_rows_are_those_of_the_texts(pool, tmp_path):
    featurizer = WordFeaturizer()
    store = PoolFeatures.build(tmp_path, "e", iter_of(pool), featurizer, 16)
    expected = featurizer.featurize([example.text for example in pool]).features
    assert torch.equal(torch.cat([part for _, part in store.chunks(7)]), expected)
    assert torch.equal(store.at([149, 3]), expected[[149, 3]])
    assert store.at([]).shape == (0, 6)
    assert examples_at(pool, [3, 149]) == {3: pool[3], 149: pool[149]}


def iter_of(pool):
    class Pool:
        def __iter__(self):
            return iter(pool)

    return Pool()


def test_another_pool_or_encoder_has_a_file_of_its_own(pool, tmp_path):
    featurizer = WordFeaturizer()
    moved = [Example("x", e.text) for e in pool]
    stores = [
        PoolFeatures.build(tmp_path, encoder, each, featurizer, 16)
        for encoder, each in (("e", pool), ("f", pool), ("e", pool[:-1]), ("e", pool[::-1]), ("e", moved))
    ]
    assert len({store.path for store in stores}) == 4  # ids change no feature
    assert content_hash([Example("a", "ab"), Example("b", "c")]) != content_hash(
        [Example("a", "a"), Example("b", "bc")]
    )


def test_a_damaged_file_is_named(pool, tmp_path):
    store = PoolFeatures.build(tmp_path, "e", pool, WordFeaturizer(), 16)
    store.path.write_bytes(store.path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"expected 150 rows of 6 float32 and a sum, 4200 bytes, found 4199; delete it"):
        PoolFeatures.build(tmp_path, "e", pool, WordFeaturizer(), 16)


def test_of_two_builds_at_once_one_computes_and_the_other_waits(tmp_path):
    pool = [Example(str(i), text) for i, text in enumerate(texts_of(60))]

    def build(_):
        featurizer = WordFeaturizer()
        PoolFeatures.build(tmp_path, "e", pool, featurizer, 4)
        return featurizer.calls

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(build, range(2))) == [0, 60]


def test_an_index_without_faiss_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    check_index("none")
    for kind in ("exact", "approximate"):
        with pytest.raises(ConfigError, match=rf"index={kind} needs the package faiss .* pip install .*\[retrieval\]'"):
            check_index(kind)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match=r"expected one of \['none', 'exact', 'approximate'\], got 'ivf'"):
        check_index("ivf")
    with pytest.raises(ConfigError, match=r"expected lists, probes, train_per_list >= 1"):
        ApproximateSettings(lists=0, probes=1, train_per_list=1, seed=0)
